import shutil

import pytest

from pipelines.source_digest import PACKAGES, ROOT, reached_files, source_digest


@pytest.fixture
def tree(tmp_path):
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    return tmp_path


def names(modules, root=ROOT):
    return {path.relative_to(root).as_posix() for path in reached_files(modules, root)}


def test_follows_imports_also_those_inside_functions():
    reached = names(["components.trainer.run"])
    assert "components/models/mini_xception.py" in reached  # imported in a function
    assert "components/preprocessing.py" in reached
    assert "components/explanations/grad_cam.py" in reached  # through the endpoints
    assert "components/pusher/push.py" not in reached
    assert "pipelines/config.py" not in reached  # another default must not train again


def test_takes_the_data_files_beside():
    assert "components/interpreter/report.html" in names(["components.interpreter.executor"])


def test_stock_steps_reach_what_is_ours():
    from pipelines.pipeline import EXTRA_SOURCES

    assert "components/data_validation/schemas/pets.pbtxt" in names(
        ["components.data_validation.schema_gen"]
    )
    assert "components/trainer/fit/loop.py" in names(EXTRA_SOURCES["trainer"])
    assert "serving/server/servable.py" in names(EXTRA_SOURCES["infra_validator"])
    assert "components/evaluator/segmentation_metrics.py" in names(EXTRA_SOURCES["evaluator"])


@pytest.mark.parametrize(
    ("module", "edited", "changes"),
    [
        ("components.example_gen.executor", "components/example_gen/convert.py", True),
        ("components.example_gen.executor", "components/features.py", True),
        ("components.example_gen.executor", "components/trainer/run.py", False),
        ("components.trainer.run", "components/models/blocks.py", True),
        ("components.trainer.run", "components/interpreter/report.html", False),
        ("components.interpreter.executor", "components/interpreter/report.html", True),
        ("components.evaluator.segmentation_metrics", "components/__init__.py", True),
    ],
)
def test_edit_changes_the_digest_of_what_it_reaches(tree, module, edited, changes):
    before = source_digest([module], tree)
    with (tree / edited).open("a") as file:
        file.write("\n# edited\n" if edited.endswith(".py") else "\n<!-- edited -->\n")
    assert (source_digest([module], tree) != before) is changes


def test_same_sources_same_digest(tree):
    assert source_digest(["components.trainer.run"], tree) == source_digest(
        ["components.trainer.run"]
    )
