import pytest

from components.tfdv_standin import BEAM_PLUGIN_ARG

LOCAL = [
    [],
    ["--direct_running_mode=in_memory", "--direct_num_workers=1"],
    ["--runner=DirectRunner", "--direct_running_mode=multi_processing"],
]


@pytest.fixture
def packed(monkeypatch):
    """Calls of TFX's packing of itself, which is not made."""
    from tfx.utils import dependency_utils

    calls = []
    monkeypatch.setattr(
        dependency_utils, "build_ephemeral_package", lambda: calls.append(1) or "tfx.tar.gz"
    )
    return calls


@pytest.mark.parametrize("args", LOCAL)
def test_tfx_is_not_packed_for_workers_on_this_machine(args, packed):
    from tfx.utils.dependency_utils import make_beam_dependency_flags

    from components.beam_args import complete

    completed = complete(args)
    assert completed[: len(args)] == args
    assert BEAM_PLUGIN_ARG in completed
    assert make_beam_dependency_flags(completed) == completed
    assert packed == []


def test_workers_elsewhere_get_it(packed):
    from tfx.utils.dependency_utils import make_beam_dependency_flags

    from components.beam_args import complete

    args = ["--runner=FlinkRunner", "--environment_type=EXTERNAL"]
    assert complete(args) == [*args, BEAM_PLUGIN_ARG]
    assert make_beam_dependency_flags(complete(args))[-1] == "--extra_package=tfx.tar.gz"
    assert packed == [1]


@pytest.mark.parametrize(
    "own", ["--sdk_container_image=ours:1", "--setup_file=./setup.py", "--extra_package=a.tar.gz"]
)
def test_what_the_configuration_says_of_workers_stays(own):
    from components.beam_args import complete

    assert complete([own]) == [own, BEAM_PLUGIN_ARG]
