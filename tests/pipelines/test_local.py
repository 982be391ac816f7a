"""The cache: what runs again, and what does not. Ingest alone stands for all steps."""

import os
import shutil
import time

import pytest
from rich.console import Console

from components.datasets.layouts import auto
from components.datasets.synth import synthesize
from components.example_gen import ImageExampleGen
from pipelines import local
from pipelines.config import load_config
from pipelines.local import STATE_SECONDS, state_folder
from pipelines.pipeline import Places, assemble
from pipelines.source_digest import PACKAGES, ROOT
from pipelines.step_sources import step_sources
from pipelines.workdir import WorkDir
from serving.errors import FailedError, InputError


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "images"
    synthesize(folder, "class_folders", 60, seed=3, size=(48, 40))
    return folder


@pytest.fixture(scope="module")
def ingest_in():
    """ingest_in(folder, data): a function that runs the pipeline's first step in a work directory.

    It returns whether the step ran, as a set of names.
    """

    def prepare(folder, data):
        workdir = WorkDir(folder)
        workdir.root.mkdir()

        def run(*sets, rehash=False, sources=ROOT):
            places = Places(data, str(workdir.artifacts), workdir.serving)
            config = load_config("cats_vs_dogs", list(sets))
            step = ImageExampleGen(
                str(data), data=config.data, config=config.example_gen, rehash=rehash
            )
            pipeline = assemble(config, places, {"example_gen": step})
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("pipelines.source_digest.ROOT", sources)
                how = (step_sources(config), Console(quiet=True))
                ran = local.run_steps(pipeline, workdir.metadata, *how)
            return {name for name, step in ran.items() if not step.cached}

        return run

    return prepare


@pytest.fixture(scope="module")
def data(original, tmp_path_factory):
    """Pictures that tests may change, each after an `ingest` of its own."""
    return shutil.copytree(original, tmp_path_factory.mktemp("changed") / "images")


@pytest.fixture(scope="module")
def ingest(ingest_in, data, tmp_path_factory):
    """`ingest_in` one work directory for all tests, which saves most of their first runs."""
    return ingest_in(tmp_path_factory.mktemp("ingest") / "work", data)


@pytest.fixture
def own_ingest(ingest_in, original, tmp_path):
    return ingest_in(tmp_path / "work", shutil.copytree(original, tmp_path / "images"))


def test_a_image_moved_between_classes_is_ingested_again(ingest, data):
    ingest()
    image = data / "Cat" / "0.jpg"
    times = image.stat()
    moved = data / "Dog" / "999.jpg"
    image.rename(moved)
    # Same count, same bytes, same times: TFX's own fingerprint would not change.
    os.utime(moved, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert ingest() == {"example_gen"}


def test_content_is_looked_at_on_demand(ingest, data):
    ingest()
    image = data / "Cat" / "1.jpg"
    times = image.stat()
    content = bytearray(image.read_bytes())
    content[-3] ^= 1
    image.write_bytes(content)
    os.utime(image, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert ingest() == set()
    assert ingest(rehash=True) == {"example_gen"}
    assert ingest(rehash=True) == set()


def test_an_edited_key_runs_the_step_that_reads_it(ingest):
    ingest()
    assert ingest("example_gen.max_side=40") == {"example_gen"}
    assert ingest("trainer.epochs=3") == set()


def test_edited_code_runs_the_steps_that_reach_it(ingest, tmp_path):
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package)
    ingest(sources=tmp_path)
    task = tmp_path / "components/tasks/image_classification"
    for file, addition, ran in (
        ("report.py", "EDITED = 1", set()),
        ("data.py", "# a comment", set()),
        ("data.py", "EDITED = 1", {"example_gen"}),
    ):
        with (task / file).open("a") as code:
            code.write(f"\n{addition}\n")
        assert ingest(sources=tmp_path) == ran


def test_a_half_done_training_is_kept_until_nobody_uses_it(tmp_path):
    workdir = WorkDir(tmp_path)
    one = state_folder(workdir, load_config("cats_vs_dogs"))
    (one / "begun").touch()
    other = state_folder(workdir, load_config("image_segmentation"))
    assert state_folder(workdir, load_config("cats_vs_dogs", ["trainer.epochs=3"])) == one
    assert one != other
    old = time.time() - STATE_SECONDS
    os.utime(other, (old, old))
    state_folder(workdir, load_config("cats_vs_dogs"))
    assert (one / "begun").exists()
    assert not other.exists()


def test_nothing_changed_nothing_runs_and_wrong_input_is_told_as_such(own_ingest, tmp_path):
    assert own_ingest() == {"example_gen"}
    assert own_ingest() == set()
    for name in ("Cat", "Dog"):
        shutil.rmtree(tmp_path / "images" / name)
    with pytest.raises(InputError, match="expected a folder a class"):
        own_ingest()


def test_a_failing_step_is_named(own_ingest, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(auto, "read", fail)
    with pytest.raises(FailedError, match="step example_gen failed: OSError: disk full"):
        own_ingest()
