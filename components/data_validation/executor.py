"""Reads the anomalies of every split and stops the run if there is one."""

import json

from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.dsl.io import fileio
from tfx.types import Artifact, artifact_utils

from components.artifacts import VALIDATION
from components.declared import Given, Properties, StepExecutor
from serving.errors import InputError

ANOMALIES_FILE = "SchemaDiff.pb"  # as ExampleValidator writes it


class Executor(StepExecutor):
    """See `DataValidation`."""

    def run(self, inputs: Given, outputs: Given, properties: Properties) -> None:
        """Writes the verdict.

        Raises:
            InputError: with all anomalies, by split and feature.
        """
        anomalies = inputs["anomalies"]
        found = read_anomalies(anomalies)
        if found:
            raise InputError(
                "data does not fit the schema",
                found="; ".join(found),
                todo="mend the data; its bounds are those of the task (components/tasks/*/data.py)",
            )
        splits = artifact_utils.decode_split_names(anomalies.split_names)
        with fileio.open(f"{outputs['validation'].uri}/{VALIDATION}", "w") as file:
            file.write(json.dumps({"anomalies": [], "splits": splits}))


def read_anomalies(artifact: Artifact) -> list[str]:
    """One line for each anomaly: split, feature, what is wrong."""
    found = []
    for split in artifact_utils.decode_split_names(artifact.split_names):
        uri = artifact_utils.get_split_uri([artifact], split)
        with fileio.open(f"{uri}/{ANOMALIES_FILE}", "rb") as file:
            anomalies = anomalies_pb2.Anomalies.FromString(file.read())
        for name, info in sorted(anomalies.anomaly_info.items()):
            found.append(f"{split}: {name}: {info.short_description}: {info.description}")
        if anomalies.data_missing:
            found.append(f"{split}: no Examples")
        if anomalies.HasField("dataset_anomaly_info"):
            found.append(f"{split}: {anomalies.dataset_anomaly_info.description}")
    return found
