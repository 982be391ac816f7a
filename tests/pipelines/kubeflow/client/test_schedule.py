"""Schedules on a small server that holds every request against KFP's API."""

import io

import pytest

from pipelines.kubeflow.client.options import Access, Wish
from pipelines.kubeflow.client.schedule import Plan
from pipelines.kubeflow.client.schedule_commands import run_change, run_list, schedule_package
from pipelines.kubeflow.client.source import plain_console
from serving.errors import FailedError, InputError

DAILY = Plan("", "0 0 3 * * *")


@pytest.fixture
def told():
    return io.StringIO()


@pytest.fixture
def plan(peer, package, told):
    def make(plan=DAILY, wish=None, package=package):
        console = plain_console(told)
        access = Access(peer.host, patience_seconds=0.8)
        schedule_package(lambda: package, access, wish or Wish(), plan, console)
        return list(peer.schedules.values())

    return make


@pytest.fixture
def access(peer):
    return Access(peer.host, patience_seconds=0.8)


def test_a_schedule_is_made_as_asked_for(peer, plan, told):
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
    assert "schedule  tiny made: 0 0 3 * * *" in told.getvalue()
    assert told.getvalue().count("03:00:00 UTC") == 3


def test_the_same_schedule_twice_changes_nothing(peer, plan, told):
    first = plan()
    peer.asked.clear()
    assert plan() == first
    assert {name.split("_")[-2] for name, _, _ in peer.asked if "list" not in name} == {"get"}
    assert "tiny unchanged" in told.getvalue()


@pytest.mark.parametrize(
    ("changed", "wish"),
    [
        (Plan("", "0 0 4 * * *"), Wish()),
        (Plan("", "0 0 3 * * *", max_concurrency=2), Wish()),
        (Plan("", "0 0 3 * * *", catch_up=True), Wish()),
        (DAILY, Wish(parameters=["epochs=5"])),
        (DAILY, Wish(pipeline_root="s3://b/root")),
        (DAILY, Wish(service_account="another")),
    ],
)
def test_another_schedule_takes_the_place_of_the_old_one(peer, plan, told, changed, wish):
    (old,) = plan()
    peer.asked.clear()
    (new,) = plan(changed, wish)
    assert new["recurring_run_id"] != old["recurring_run_id"]
    operations = [name for name, _, _ in peer.asked]
    made = operations.index("recurring_run_service_create_recurring_run")
    assert made < operations.index("recurring_run_service_delete_recurring_run")
    assert "tiny changed" in told.getvalue()
    assert plan(changed, wish) == [new]


def test_another_version_changes_the_schedule(peer, plan, other_package):
    (old,) = plan()
    (new,) = plan(package=other_package)
    assert new["pipeline_version_reference"] != old["pipeline_version_reference"]


def test_if_the_new_one_cannot_be_made_the_old_one_stays(peer, plan):
    before = plan()
    peer.fail = {"recurring_run_service_create_recurring_run": [500] * 20}
    with pytest.raises(FailedError):
        plan(Plan("", "0 0 4 * * *"))
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
        plan(Plan("", "0 0 4 * * *"))
    assert len(peer.schedules) == 2
    peer.fail = {}
    (left,) = plan(Plan("", "0 0 4 * * *"))
    assert left["trigger"] == {"cron_schedule": {"cron": "0 0 4 * * *"}}


def test_a_paused_schedule_stays_paused(peer, plan, access, told):
    plan()
    run_change(access, "tiny", "", "pause")
    (same,) = plan()
    assert same["status"] == "DISABLED"
    (changed,) = plan(Plan("", "0 0 4 * * *"))
    assert changed["status"] == "DISABLED"
    assert "paused: pawlens kubeflow schedules resume tiny" in told.getvalue()


def test_one_that_was_made_elsewhere_is_not_touched(peer, plan):
    (old,) = plan()
    old["description"] = "mine"
    with pytest.raises(InputError, match=r"expected one that pawlens made, .* another --name"):
        plan(Plan("", "0 0 4 * * *"))
    assert list(peer.schedules.values()) == [old]
    assert len(plan(Plan("other", "0 0 4 * * *"))) == 2


def test_schedules_are_listed_paused_resumed_and_deleted(peer, plan, access, capsys):
    for name in ("c", "a", "b"):
        plan(Plan(name, "0 0 3 * * *"))
    run_change(access, "b", "", "pause")
    assert {one["display_name"]: one["status"] for one in peer.schedules.values()} == {
        "a": "ENABLED",
        "b": "DISABLED",
        "c": "ENABLED",
    }
    capsys.readouterr()
    run_list(access, "")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["a", "enabled"],
        ["b", "paused"],
        ["c", "enabled"],
    ]
    assert "next" in lines[0]
    assert "next" not in lines[1]
    run_change(access, "b", "", "resume")
    run_change(access, "c", "", "delete")
    assert {one["display_name"]: one["status"] for one in peer.schedules.values()} == {
        "a": "ENABLED",
        "b": "ENABLED",
    }


def test_schedules_that_are_not_there(peer, plan, access):
    plan(Plan("nightly", "0 0 3 * * *"))
    with pytest.raises(InputError, match=r"found 'nightli'; did you mean 'nightly'"):
        run_change(access, "nightli", "", "delete")
    with pytest.raises(InputError, match=r"--experiment: expected one of tiny, found 'tin'"):
        run_list(access, "tin")
    assert len(peer.schedules) == 1


def test_of_two_of_a_name_the_id_is_needed(peer, plan, access):
    plan(Plan("x", "0 0 3 * * *"), Wish("one"))
    found = plan(Plan("x", "0 0 3 * * *"), Wish("two"))
    with pytest.raises(InputError, match=r"schedule 'x': expected the id of one of them"):
        run_change(access, "x", "", "delete")
    run_change(access, found[0]["recurring_run_id"], "", "delete")
    assert list(peer.schedules.values()) == found[1:]
    run_change(access, "x", "two", "delete")
    assert not peer.schedules
