"""A few of the benchmark's requests that no client should send, with numbers among the inputs."""

from benchmarks.fuzz import fuzz
from benchmarks.serving import FLAGS, serving

MODEL_NAME = "cats_vs_dogs"


def test_each_is_answered_properly_and_the_server_stays_up(base, gray) -> None:
    with serving(MODEL_NAME, base, *FLAGS) as server:
        how = {"requests": 300, "seed": 1, "leave_out": "slow"}
        fuzzer = fuzz(server, MODEL_NAME, base, [gray(9)], **how)
    assert fuzzer.improper == []
    # Some get as far as the model.
    assert fuzzer.answers["gRPC OK"] > 5
    assert fuzzer.answers["HTTP 200"] > 0
