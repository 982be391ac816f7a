import shutil
import sys

import pytest

from pipelines.source_digest import PACKAGES, ROOT, reached_files, source_digest

RUN, INGEST = "components.trainer.run", "components.example_gen.executor"
REPORT = "components.interpreter.executor"


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Our sources at another place, which does not count."""
    digest = source_digest([RUN])
    ignore = shutil.ignore_patterns("__pycache__")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=ignore)
    monkeypatch.setattr("pipelines.source_digest.ROOT", tmp_path)
    assert source_digest([RUN]) == digest
    return tmp_path


@pytest.fixture
def foreign(tmp_path, monkeypatch):
    """A folder in the path with a package and a module beside it."""
    folder = tmp_path / "elsewhere"
    (folder / "beasts" / "deep").mkdir(parents=True)
    files = {
        "beasts/__init__.py": "",
        "beasts/nets.py": "from . import parts\nfrom .deep.er import x\nimport beside, json",
        "beasts/parts.py": "def block(): return 1\n",
        "beasts/deep/__init__.py": "from .. import above\n",
        "beasts/deep/er.py": "x = 1\n",
        "beasts/above.py": "raise RuntimeError('nothing imports this')\n",
        "beasts/other.py": "",
        "beside.py": "",
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    monkeypatch.syspath_prepend(folder)
    return folder


def test_follows_imports_also_those_inside_functions():
    reached = set(reached_files([RUN]))
    assert "components/models/__init__.py" in reached
    assert "components/trainer/fit/loop.py" in reached
    assert "components/pusher/push.py" not in reached
    assert "pipelines/config.py" not in reached  # another default must not train again


@pytest.mark.parametrize(
    ("module", "edited", "addition", "changes"),
    [
        (INGEST, "components/features.py", "EDITED = 1", True),
        (INGEST, "components/features.py", "# edited", False),
        (INGEST, "components/features.py", '"""Edited."""', False),
        (INGEST, "components/trainer/run.py", "EDITED = 1", False),
        (RUN, "components/__init__.py", "EDITED = 1", True),
        (RUN, "components/interpreter/report.html", "<!-- edited -->", False),
        (REPORT, "components/interpreter/report.html", "<!-- edited -->", True),
        (INGEST, "components/features.py", "from typing import TYPE_CHECKING as EDITED", True),
    ],
)
def test_edit_changes_the_digest_of_what_it_reaches(tree, module, edited, addition, changes):
    before = source_digest([module])
    with (tree / edited).open("a") as file:
        file.write(f"\n{addition}\n")
    assert (source_digest([module]) != before) is changes


def test_a_package_from_elsewhere_is_followed_without_being_imported(foreign):
    reached = set(reached_files([INGEST], ["beasts.nets"])) - set(reached_files([INGEST]))
    assert reached == {
        *("beasts/__init__.py", "beasts/nets.py", "beasts/parts.py", "beasts/above.py"),
        *("beasts/deep/__init__.py", "beasts/deep/er.py"),
    }
    assert "beasts" not in sys.modules
    before = source_digest([], ["beasts.nets"])
    (foreign / "beasts" / "parts.py").write_text("def block(): return 2\n")
    assert source_digest([], ["beasts.nets"]) != before


def test_a_single_module_counts_and_the_stack_is_told_by_its_versions(foreign):
    assert set(reached_files([], ["beside"])) == {"beside.py"}
    assert reached_files([], ["keras.applications", "no_such_package.x"]) == {}


def test_what_only_type_checkers_import_is_not_run(foreign):
    (foreign / "beside.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import beside.x, beasts\n"
        "else:\n    import beasts.other\n"
    )
    assert set(reached_files([], ["beside", "beasts.above"])) == {
        *("beside.py", "beasts/above.py", "beasts/__init__.py", "beasts/other.py"),
    }
