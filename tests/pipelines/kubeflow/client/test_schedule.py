"""Schedules on a small server that holds every request against KFP's API."""

import pytest
import yaml

from pipelines.kubeflow.client.options import Access, Plan, Wish
from pipelines.kubeflow.client.schedule import run_change, run_list, run_schedule
from serving.errors import FailedError, InputError

IMAGE = "kubeflow.image=registry.example.com/pawlens:0.1.0"
DAILY = Plan("0 0 3 * * *")
LATER = Plan("0 0 4 * * *")


@pytest.fixture
def access(peer):
    return Access(peer.host, patience_seconds=0.8)


@pytest.fixture
def plan(peer, package, access, source_of):
    def make(plan=DAILY, wish=None, package=package):
        run_schedule(source_of(package), access, wish or Wish(), plan)
        return list(peer.schedules.values())

    return make


def test_a_schedule_is_made_as_asked_for(peer, plan, capsys):
    (made,) = plan(wish=Wish("tries", ["epochs=5"], "s3://b/root", "account"))
    (version,) = peer.versions.values()
    assert made["display_name"] == "tiny"
    assert made["trigger"] == {"cron_schedule": {"cron": "0 0 3 * * *"}}
    assert made["runtime_config"] == {"parameters": {"epochs": 5}, "pipeline_root": "s3://b/root"}
    assert made["service_account"] == "account"
    assert (made["max_concurrency"], made["no_catchup"]) == ("1", True)
    assert (made["mode"], made["status"]) == ("ENABLE", "ENABLED")
    reference = made["pipeline_version_reference"]
    assert reference["pipeline_version_id"] == version["pipeline_version_id"]
    told = capsys.readouterr().out
    assert "schedule  tiny made: 0 0 3 * * *" in told
    assert told.count("03:00:00 UTC") == 3


def test_the_same_schedule_twice_changes_nothing(peer, plan, capsys):
    first = plan()
    peer.asked.clear()
    assert plan() == first
    assert {name.split("_")[-2] for name, _, _ in peer.asked if "list" not in name} == {"get"}
    assert "tiny unchanged" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changed", "wish"),
    [
        (LATER, Wish()),
        (Plan(DAILY.cron, max_concurrency=2), Wish()),
        (Plan(DAILY.cron, catch_up=True), Wish()),
        (DAILY, Wish(parameters=["epochs=5"])),
        (DAILY, Wish(pipeline_root="s3://b/root")),
        (DAILY, Wish(service_account="another")),
    ],
)
def test_another_schedule_takes_the_place_of_the_old_one(peer, plan, capsys, changed, wish):
    (old,) = plan()
    peer.asked.clear()
    (new,) = plan(changed, wish)
    assert new["recurring_run_id"] != old["recurring_run_id"]
    operations = [name for name, _, _ in peer.asked]
    made = operations.index("recurring_run_service_create_recurring_run")
    assert made < operations.index("recurring_run_service_delete_recurring_run")
    assert "tiny changed" in capsys.readouterr().out
    assert plan(changed, wish) == [new]


def test_another_version_changes_the_schedule(peer, plan, other_package):
    (old,) = plan()
    (new,) = plan(package=other_package)
    assert new["pipeline_version_reference"] != old["pipeline_version_reference"]


def test_if_the_new_one_cannot_be_made_the_old_one_stays(peer, plan):
    before = plan()
    peer.fail = {"recurring_run_service_create_recurring_run": [500] * 20}
    with pytest.raises(FailedError):
        plan(LATER)
    assert list(peer.schedules.values()) == before
    assert before[0]["status"] == "ENABLED"


def test_a_schedule_whose_answer_was_lost_is_not_made_twice(peer, plan):
    peer.fail = {"recurring_run_service_create_recurring_run": [-503]}
    assert len(plan()) == 1
    assert peer.count("create_recurring_run") == 1


def test_an_old_one_that_could_not_be_deleted_goes_the_next_time(peer, plan):
    plan()
    peer.fail = {"recurring_run_service_delete_recurring_run": [500] * 20}
    with pytest.raises(FailedError):
        plan(LATER)
    assert len(peer.schedules) == 2
    peer.fail = {}
    (left,) = plan(LATER)
    assert left["trigger"] == {"cron_schedule": {"cron": "0 0 4 * * *"}}


def test_a_paused_schedule_stays_paused(peer, plan, access, capsys):
    plan()
    run_change(access, "tiny", "", "pause")
    (same,) = plan()
    assert same["status"] == "DISABLED"
    (changed,) = plan(LATER)
    assert changed["status"] == "DISABLED"
    assert "paused: pawlens kubeflow schedules resume tiny" in capsys.readouterr().out


def test_one_that_was_made_elsewhere_is_not_touched(peer, plan):
    (old,) = plan()
    old["description"] = "mine"
    with pytest.raises(InputError, match=r"expected one that pawlens made, .* another --name"):
        plan(LATER)
    assert list(peer.schedules.values()) == [old]
    assert len(plan(Plan(LATER.cron, "other"))) == 2


def test_schedules_are_listed_paused_resumed_and_deleted(peer, plan, access, capsys):
    for name in ("c", "a", "b"):
        plan(Plan(DAILY.cron, name))
    run_change(access, "b", "", "pause")
    capsys.readouterr()
    run_list(access, "")
    lines = capsys.readouterr().out.splitlines()
    told = [(*line.split()[:2], "next" in line) for line in lines]
    assert told == [("a", "enabled", True), ("b", "paused", False), ("c", "enabled", True)]
    run_change(access, "b", "", "resume")
    run_change(access, "c", "", "delete")
    left = {one["display_name"]: one["status"] for one in peer.schedules.values()}
    assert left == {"a": "ENABLED", "b": "ENABLED"}


def test_schedules_that_are_not_there(peer, plan, access):
    plan(Plan(DAILY.cron, "nightly"))
    with pytest.raises(InputError, match=r"found 'nightli'; did you mean 'nightly'"):
        run_change(access, "nightli", "", "delete")
    with pytest.raises(InputError, match=r"--experiment: expected one of tiny, found 'tin'"):
        run_list(access, "tin")
    assert len(peer.schedules) == 1


def test_of_two_of_a_name_the_id_is_needed(peer, plan, access):
    plan(Plan(DAILY.cron, "x"), Wish("one"))
    found = plan(Plan(DAILY.cron, "x"), Wish("two"))
    with pytest.raises(InputError, match=r"schedule 'x': expected the id of one of them"):
        run_change(access, "x", "", "delete")
    run_change(access, found[0]["recurring_run_id"], "", "delete")
    assert list(peer.schedules.values()) == found[1:]
    run_change(access, "x", "two", "delete")
    assert not peer.schedules


def test_a_shipped_pipeline_is_compiled_submitted_and_scheduled(pawlens, peer, tmp_path):
    file = tmp_path / "pipeline.yaml"
    file.write_text("old")
    compiled = pawlens("kubeflow", "compile", "linear_blobs", "--set", IMAGE, "-o", file)
    assert compiled.output == f"linear-blobs: {file}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["pipeline.yaml"]
    spec, platform = yaml.safe_load_all(file.read_text())
    assert spec["pipelineInfo"]["name"] == "linear-blobs"
    assert "platforms" in platform

    common = ("linear_blobs", "--set", IMAGE, "--host", peer.host, "--param", "epochs=3")
    submitted = pawlens("kubeflow", "submit", *common, "--poll", "0.1")
    (version_line, run_line, last) = submitted.output.splitlines()
    assert (version_line.split()[1], run_line.split()[0]) == ("linear-blobs,", "run")
    assert last.endswith("succeeded")
    assert list(peer.contents.values()) == [file.read_text()]
    (run,) = peer.runs.values()
    assert run["runtime_config"]["parameters"] == {"epochs": 3}

    scheduled = pawlens("kubeflow", "schedule", *common, "--cron", "@daily")
    assert "as uploaded before" in scheduled.output
    (made,) = peer.schedules.values()
    assert made["trigger"] == {"cron_schedule": {"cron": "@daily"}}

    listed = pawlens("kubeflow", "schedules", "list", "--host", peer.host)
    assert listed.output.split()[:2] == ["linear-blobs", "enabled"]
    pawlens("kubeflow", "schedules", "pause", "linear-blobs", "--host", peer.host)
    assert made["status"] == "DISABLED"
