"""Pushes, roll-backs and labels as a running server and its clients see them."""

from pathlib import Path

import pytest
import tensorflow as tf

from components.datasets.examples import make_example
from components.pusher.live_check import check_live
from components.pusher.release import Release
from components.pusher.rollback import roll_back, set_label
from components.pusher.settings import LiveCheckConfig, PusherConfig
from components.releases.model_config import ModelConfigFile
from components.tasks import get_task
from serving.classes import Classes
from serving.client import ImageClient
from serving.errors import InputError
from serving.results import ServingError
from serving.stores import open_store

NAME = "cats_vs_dogs"
NOBODY = "127.0.0.1:9"  # the discard port: nothing answers


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory, gray) -> str:
    """Three images as the ingest stores them."""
    folder = tmp_path_factory.mktemp("examples")
    with tf.io.TFRecordWriter(str(folder / "data-00000.gz"), "GZIP") as writer:
        for value in (20, 120, 250):
            writer.write(make_example({"image/encoded": gray(value)}).SerializeToString())
    return str(folder)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, build_model, saved_model) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    build_model(folder / "half", 0.5)
    build_model(folder / "third", 1 / 3)
    (folder / "corrupt").mkdir()
    (folder / "corrupt" / "saved_model.pb").write_bytes(b"no graph")

    build_model(folder / "moody", 1.0, moody=True)
    names = ("half", "third", "corrupt", "moody")
    return {"full": saved_model} | {name: folder / name for name in names}


class Place:
    """Where versions of a model are served from, and how they get there."""

    def __init__(self, name: str, root: Path, examples: str, models: dict[str, Path]):
        self.name, self.root = name, root
        self.store = open_store(root / name)
        self.target = NOBODY
        self._examples, self._models = examples, models

    def push(self, model: str, seconds: float = 60.0, target: str = "", **settings: object) -> dict:
        live = LiveCheckConfig(target=target or self.target, deadline_seconds=seconds, images=3)
        folder = self._models[model]

        def check(version: int) -> None:
            check_live(
                live,
                self.name,
                version,
                model=folder,
                examples_folder=self._examples,
                export=get_task("image_classification").export(Classes(("cat", "dog"))),
            )

        config = PusherConfig(model_name=self.name, live_check=live, **settings)
        return Release(self.store.base, config, check).run(folder, {})

    def gain(self, label: str | None = None) -> float:
        """The gain of the model that answers; -1 if none does."""
        with ImageClient(self.target, self.name, timeout_seconds=60, label=label) as client:
            try:
                return client.predict([self.white])[0].probabilities[1]
            except (InputError, ServingError):
                return -1.0


@pytest.fixture(scope="module")
def places(tmp_path_factory, start_server, examples, models, gray):
    """A server of two models: one without and one with labels, and its model config file."""
    folder = tmp_path_factory.mktemp("places")
    root, path = folder / "serving", folder / "models.config"
    plain, labelled = (Place(name, root, examples, models) for name in ("plain", NAME))
    plain.push("full", seconds=0.1)
    ModelConfigFile(path, plain.name).change(lambda entry: None, plain.store.base)
    told = labelled.push("full", seconds=0.1, model_config_file=str(path))
    assert "was not tried, the next run tries it" in told["reason"]  # there is no server yet
    server = start_server(
        None,
        f"--model_config_file={path}",
        "--model_config_file_poll_wait_seconds=0.1",
        "--file_system_poll_wait_seconds=0.1",
    )
    for place in (plain, labelled):
        place.target, place.white = server.target, gray(255)
        place.wait_for = server.wait_for
    yield plain, labelled, path
    assert server.stop() == 0


@pytest.fixture
def place(places) -> Place:
    return places[0]


def test_a_good_version_is_seen_to_serve_and_is_rolled_back_by_hand(place):
    assert place.gain() == pytest.approx(1.0)
    told = place.push("half")
    assert told["status"] == "pushed"
    assert place.gain() == pytest.approx(0.5)  # at once: the push waited for it

    said = _back(place)
    assert f"as version {place.store.newest()};" in said
    place.wait_for(lambda: place.gain() == pytest.approx(1.0))

    assert place.push("half")["status"] == "set aside"
    _back(place, told["version"])
    place.wait_for(lambda: place.gain() == pytest.approx(0.5))


def _back(place: Place, version: int | None = None) -> str:
    return roll_back(
        place.name,
        version,
        serving_root=str(place.root),
        model_config_file=None,
        target=place.target,
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [("corrupt", "does not load at "), ("moody", "endpoint serving_default, output ")],
)
def test_a_version_that_fails_on_the_server_is_taken_back(place, name, words):
    before, gain = place.store.versions(), place.gain()
    told = place.push(name)
    assert told["status"] == "rolled back"
    assert words in told["reason"]
    assert told["reason"].endswith(f"version {before[-1]} is the newest again")
    assert place.store.versions() == before
    place.wait_for(lambda: place.gain() == pytest.approx(gain))


def test_a_server_that_is_not_there_in_time(place):
    before = place.store.versions()
    told = place.push("third", seconds=0.5, target=NOBODY)
    assert told["status"] == "rolled back"
    assert "is not AVAILABLE at 127.0.0.1:9 after 0.5 s: no server answers" in told["reason"]
    assert place.store.versions() == before


def test_what_is_served_is_not_removed(place):
    told = place.push("third", keep_versions=1)
    with ImageClient(place.target, place.name) as client:
        live = {one.version for one in client.status() if one.state == "AVAILABLE"}
    assert told["version"] in live <= set(place.store.versions())
    assert told["removed"]


def test_labels_follow_what_was_tried(places):
    _, place, path = places
    file = ModelConfigFile(path, place.name)
    (first,) = place.store.versions()
    settings = {"model_config_file": str(path)}
    assert place.gain("stable") == -1.0
    assert place.push("full", **settings)["version"] == first
    place.wait_for(lambda: place.gain("stable") == pytest.approx(1.0))

    def settled(stable: float, canary: float) -> bool:
        return (place.gain("stable"), place.gain("canary")) == pytest.approx((stable, canary))

    canary = settings | {"label": "canary", "keep_versions": 1}
    second = place.push("half", **canary)["version"]
    place.wait_for(lambda: settled(1.0, 0.5))
    assert place.push("moody", **canary)["status"] == "rolled back"
    assert settled(1.0, 0.5)
    assert dict(file.existing().version_labels) == {"stable": first, "canary": second}
    third = place.push("third", **canary)["version"]
    place.wait_for(lambda: settled(1.0, 1 / 3))
    # Labelled, or served until a moment ago.
    assert place.store.versions() == [first, second, third]

    there = {"model_config_file": path, "target": place.target}
    set_label(place.name, "stable", "canary", serving_root="", **there)
    place.wait_for(lambda: settled(1 / 3, 1 / 3))
    # Neither is loaded any more, so the server has to load it before it takes the label.
    roll_back(place.name, first, serving_root=str(place.root), **there)
    place.wait_for(lambda: settled(1.0, 1.0))
    assert place.gain() == pytest.approx(1.0)
