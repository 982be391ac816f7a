"""What TensorFlow's exporter leaves to do on a SavedModel's signatures."""

from collections.abc import Mapping
from pathlib import Path

from serving.stores.versions import SAVED_MODEL_FILE


def finish_signatures(folder: Path, methods: Mapping[str, str]) -> None:
    """Names the methods of signatures and lets servers compute only the outputs asked for.

    The exporter writes every signature as one for Predict. And all outputs of a signature leave
    one call of a function: a call that is fetched itself is run whole, so every request would pay
    for every output. Behind an identity of its own for each output, TensorFlow inlines the call
    and prunes what the outputs asked for do not need.

    Raises:
        KeyError: there is no such signature.
    """
    from tensorflow.core.protobuf import saved_model_pb2
    from tensorflow.python.saved_model import fingerprinting_utils

    path = folder / SAVED_MODEL_FILE
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for meta_graph in saved.meta_graphs:
        signatures = meta_graph.signature_def
        for name, method in methods.items():
            if name not in signatures:
                raise KeyError(name)
            signatures[name].method_name = method
        taken = {node.name for node in meta_graph.graph_def.node}
        for name in sorted(signatures):
            for output, info in sorted(signatures[name].outputs.items()):
                if info.WhichOneof("encoding") != "name" or not info.dtype:
                    continue  # __saved_model_init_op names an operation
                node = meta_graph.graph_def.node.add(name=f"answer_{name}_{output}", op="Identity")
                if node.name in taken:
                    raise ValueError(f"the graph has a node {node.name} already")
                node.input.append(info.name.removesuffix(":0"))
                node.attr["T"].type = info.dtype
                info.name = f"{node.name}:0"
    path.write_bytes(saved.SerializeToString(deterministic=True))
    fingerprinting_utils.write_fingerprint(str(folder))  # the one beside it was of the old file
