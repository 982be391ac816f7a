import sys

import pytest

from components import extension
from pipelines.config import load_config
from serving.errors import InputError

WRONG = {"raises": "1 / 0", "unnamed": "nothing", "ends": "import sys; sys.exit(3)"}
MODULES = WRONG | {"fine": "N = 3\ndef one(a): ..."}


KEYS = ["task", "data.layout", "trainer.model", "trainer.export.explanation"]


@pytest.fixture(autouse=True)
def _theirs(tmp_path, monkeypatch):
    (tmp_path / "theirs").mkdir()
    for name, text in MODULES.items():
        (tmp_path / "theirs" / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in [one for one in sys.modules if one.partition(".")[0] == "theirs"]:
        del sys.modules[name]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("nobody.nowhere:f", "(ModuleNotFoundError: No module named 'nobody')"),
        ("theirs.fine:f", "(AttributeError: module 'theirs.fine' has no attribute 'f')"),
        ("theirs.raises:f", "(ZeroDivisionError: division by zero)"),
        ("theirs.unnamed:f", "(NameError: name 'nothing' is not defined)"),
        ("theirs.ends:f", "(SystemExit: 3)"),
        ("theirs.fine:N", ""),
        ("theirs.fine:one", ""),
    ],
)
def test_a_path_that_cannot_be_used_is_a_mistake_of_the_configuration(key, path, told):
    with pytest.raises(InputError) as error:
        load_config("cats_vs_dogs", [f"{key}={path}"])
    line = str(error.value)
    assert line.startswith(f"cats_vs_dogs.yaml: {key}: expected ")
    assert f"found '{path}'" in line
    assert told in line
    assert "\n" not in line


def test_what_is_called_otherwise_is_told_with_its_arguments():
    with pytest.raises(InputError, match=r"of \(root, data\), found 'm:f', which takes \(a\)"):
        extension.check_function(lambda a: a, "m:f", key="k", takes=("root", "data"))
    with (
        pytest.raises(InputError, match=r"k: expected an answer, found 'm:f' \(KeyError: 'x'\)"),
        extension.calling("m:f", "k", "an answer"),
    ):
        {}["x"]
