"""What the parts of a task have to answer, and whom.

Every part is made of the data set's `Classes`; `Data` also of None, until it has settled them.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from components.datasets.settings import listed
from components.features import SPLITS
from serving.classes import Classes
from serving.errors import InputError

if TYPE_CHECKING:
    from components.datasets.records import Found, Listing, Record
    from components.reporting.cards import Group, Predictions
    from components.reporting.predictor import Predictor
    from components.trainer.sections import LossConfig

Arrays = Mapping[str, np.ndarray]
Read = Callable[[], Iterator[Any]]  # begins anew to read the parsed Examples of a split
# Metric, class name or None, value, half of its 95% interval or None.
Figure = tuple[str, str | None, float | None, float | None]


class RejectedError(Exception):
    """This record cannot become an Example: a short text that counts are kept by, and details."""

    def __init__(self, reason: str, detail: str = ""):
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


class Converted(NamedTuple):
    """An Example and what decides about it."""

    record: "Record"  # what it was made of
    label: int | None  # its class, an index; None: it has none, or one a pixel
    key: str  # what has equal keys shares a split
    digest: str  # of its content: what has equal digests is a duplicate
    example: bytes  # the serialized tf.train.Example
    turned: bool = False  # whether it is a picture that EXIF had to be asked which side is up


class Part:
    """Base of all parts."""

    def __init__(self, classes: Classes | None):
        self._classes = classes

    @property
    def classes(self) -> Classes:
        """Of the data set."""
        assert self._classes is not None, "this needs the classes"
        return self._classes


class Data(Part, ABC):
    """Asked by example_gen and data_validation.

    What `settle` and `settled` complete is pickled and sent to where records are converted.
    """

    content: str = "pixels"  # what two duplicates share, for messages

    @abstractmethod
    def settle(self, listing: "Listing", root: Path, data: Any) -> "Found":
        """Gives each record that a reader found in `root` the name of a class, or a problem.

        `data` is the section, whose `classes` pins names, order and aliases.

        Raises:
            InputError: no two classes, an empty one, a pinned one without a record.
        """

    def settled(self, found: "Found") -> None:
        """Makes this the part of the classes that `settle` found, as `convert` needs it."""
        self._classes = found.classes

    @abstractmethod
    def convert(self, root: Path, record: "Record", max_side: int) -> Converted:
        """Reads, checks and encodes one record of `settle` that has no problem.

        The longest side of a stored picture is `max_side` pixels.

        Raises:
            RejectedError: it is unusable.
        """

    @abstractmethod
    def schema(self) -> Any:
        """What Examples must look like, encoded images aside: a `schema_pb2.Schema`."""


class Training(Part, ABC):
    """Asked by trainer, tuner and ablation. What is computed in a step uses `keras` only."""

    moves: bool = False  # whether targets are maps that move along with the picture

    @abstractmethod
    def decode(self, example: Any, side: int | None) -> tuple[Any, Any]:
        """Input and target of one serialized Example, in a graph: tensors of known shapes.

        `side` is that of a square picture in pixels; None where there are no pictures.
        """

    @abstractmethod
    def class_counts(self, targets: np.ndarray) -> np.ndarray:
        """How often each class occurs: int64 [classes], longer or shorter if an id is no class."""

    def check_targets(self, split: str, targets: np.ndarray) -> None:
        """Refuses targets of a whole split that nothing can be learned from.

        Raises:
            InputError: a class that there is none of to learn from, an id that is no class.
        """
        counts = self.class_counts(targets)
        names = self.classes.names
        if len(counts) != len(names):
            raise InputError(
                f"the labels of the {split} split",
                expected=f"0 to {len(names) - 1}",
                found="another one",
            )
        missing = [name for name, count in zip(names, counts, strict=True) if not count]
        if missing and split == SPLITS[0]:
            raise InputError(
                f"the {split} split",
                expected=f"examples of all {len(names)} classes",
                found=f"none of {listed(missing)}",
                todo="add some, change example_gen.split, or leave those out of data.classes",
            )

    def trainee(self, model: Any) -> Any:
        """What `fit` trains: the model of `models.build` itself, or one that shares all weights."""
        return model

    @abstractmethod
    def loss(self, config: "LossConfig") -> Any:
        """A `keras.losses.Loss` of the trainee's output."""

    @abstractmethod
    def metrics(self) -> list[Any]:
        """`keras.metrics` of the trainee's output; one for each of the task's monitors."""

    def class_weights(self, config: "LossConfig", targets: np.ndarray) -> list[float]:
        """A weight a class, in their order; empty: all weigh the same.

        `balanced` gives total / (classes * count of the class), so that the mean weight over the
        targets is 1, as scikit-learn's function of that name does.

        Raises:
            InputError: another number of weights than of classes.
        """
        asked, count = config.class_weights, len(self.classes)
        if asked == "balanced":
            counts = self.class_counts(targets)
            return [float(weight) for weight in counts.sum() / (count * np.maximum(counts, 1))]
        if asked is not None and len(asked) != count:
            raise InputError(
                "trainer.loss.class_weights",
                expected=f"{count} numbers ({listed(self.classes.names)})",
                found=str(len(asked)),
            )
        return list(asked or [])

    @abstractmethod
    def sample_weights(self, weights: list[float], targets: Any) -> Any:
        """Class weights, not empty, spread over a batch of targets, float32."""

    def draw_samples(
        self, inputs: np.ndarray, targets: np.ndarray, outputs: np.ndarray
    ) -> np.ndarray:
        """What TensorBoard shows of a few images: uint8 [n, height, width, 3]."""
        raise NotImplementedError  # asked of tasks with images alone


class Evaluation(Part, ABC):
    """Asked by evaluator, converter and report; see `components.evaluator`."""

    @abstractmethod
    def model_spec(self) -> dict[str, Any]:
        """Fields of TFMA's ModelSpec: label and prediction keys, preprocessing."""

    @abstractmethod
    def metrics_specs(self) -> list[Any]:
        """TFMA's MetricsSpecs whose arrays `figures` reads."""

    @abstractmethod
    def figures(self, arrays: Arrays, *, whole: bool) -> Iterator[Figure]:
        """All of one slice.

        Args:
            arrays: by metric name, what the combiners gave on the slice.
            whole: whether it is the whole split: figures of single classes are of it alone.
        """

    @abstractmethod
    def confusion(self, arrays: Arrays) -> tuple[np.ndarray, list[dict] | None]:
        """Counts [classes, classes] by true and predicted class; the ROC curve of two classes."""

    def left_out(self, feature: str) -> tuple[str, ...]:
        """Metrics that tell nothing on slices by this feature."""
        return ()

    def decide(self, answer: np.ndarray) -> np.ndarray:
        """Class ids of a batch from a bare Keras model's outputs, probabilities [..., classes]."""
        return answer.argmax(axis=-1)

    @abstractmethod
    def truth(self, example: Any, side: int | None) -> np.ndarray:
        """The true class id, or ids [side, side], of a parsed tf.train.Example."""

    quality: str = "accuracy"  # the metric that compares conversions; see `measure`
    losses: Sequence[str] = ()  # figures that may exceed 1; all others lie in [0, 1]

    def measure(self, counts: np.ndarray) -> float:
        """`quality` from counts int64 [classes, classes] by true and decided class."""
        return float(np.trace(counts) / counts.sum())


@dataclass(frozen=True)
class Endpoint:
    """One signature of a SavedModel."""

    function: Callable[..., dict[str, Any]]  # of tensors, as `inputs` are -> outputs by name
    inputs: list[Any]  # `tf.TensorSpec`s
    method: str = ""  # where it is for another call than Predict


class Export(Part, ABC):
    """Asked by trainer (export), infra_validator, pusher's live check."""

    required_outputs: frozenset[str] = frozenset()  # of `serving_default`

    @abstractmethod
    def endpoints(self, model: Any, side: int | None, options: Any) -> dict[str, Endpoint]:
        """The signatures of a SavedModel by name.

        Args:
            model: of `components.models.build`, in float32.
            side: of its square input; None where there are no pictures.
            options: spec of the architecture, and the section `trainer.export`.
        """

    @abstractmethod
    def drawn_example(self) -> Any:
        """A `tf.train.Example` that every endpoint can answer: a server warms up with it."""

    @abstractmethod
    def inputs_of(self, examples: Sequence[bytes]) -> dict[str, np.ndarray]:
        """Every input that an endpoint may take, by name, for serialized Examples in one batch."""


class Report(Part, ABC):
    """Asked by the interpreter."""

    @abstractmethod
    def example_groups(self, examples: Iterator[Any]) -> list["Group"]:
        """What is shown of the training split: parsed Examples, in the order of the files."""

    @abstractmethod
    def predictions(self, predictor: "Predictor", read: Read, count: int) -> "Predictions":
        """What the exported model makes of the test split, and `count` telling Examples."""

    def suspects(
        self, predictor: "Predictor", read: Mapping[str, Read], tested: "Predictions", count: int
    ) -> "Group | None":
        """Up to `count` Examples whose label may be wrong; None where labels are not judged.

        `read` has the eval and the test split; `tested` is what `predictions` found.
        """
        return None

    def legend(self) -> list[tuple[str, str]]:
        """Names and CSS colors of mask classes; empty where there are none."""
        return []

    @abstractmethod
    def card(self) -> dict[str, Any]:
        """For the model card: `purpose`, `output`, `intended_use` and `limits`."""
