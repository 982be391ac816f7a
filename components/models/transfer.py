"""Fine-tuning in phases: first the new head, then the top of the backbone too.

Source: "Deep Learning with Python", 2nd edition, 8.3.2.
"""

import keras

from components.models import explained_layers
from components.models.spec import Learn, ModelSpec


def set_phase(model: keras.Model, spec: ModelSpec, phase: Learn) -> None:
    """Decides which layers the next training moves; the model has to be compiled after that.

    Args:
        model: built by `components.models.build`.
        spec: its specification; of one with a published backbone, unless the phase is `all`.
        phase: `head` trains only what follows the backbone; `top` also the backbone from
            `spec.fine_tune_from` on; `all` everything, batch norm too, as for a training from
            scratch. In `head` and `top` all batch norm of the backbone is frozen: it keeps its
            moving averages and works with them, for those of small batches would ruin what the
            backbone knows.
    """
    if phase == "all":
        for layer in model.layers:
            layer.trainable = True
        return
    assert spec.fine_tune_from is not None, "see TrainerConfig.task_mistakes"
    # Layers come in the order of the graph: what lies above a layer follows it.
    names = [layer.name for layer in model.layers]
    first = head = names.index(explained_layers(model, spec)[0]) + 1
    if phase == "top":
        start = spec.fine_tune_from
        first = names.index(start) if isinstance(start, str) else round(head * (1 - start))
    for position, layer in enumerate(model.layers):
        # All batch norm is the backbone's: the head has none.
        frozen = position < first or isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = not frozen
