"""A few of the benchmark's requests that no client should send, with numbers among the inputs."""

from benchmarks.fuzz import fuzz

MODEL_NAME = "cats_vs_dogs"


def test_each_is_answered_properly_and_the_server_stays_up(base, gray, attacked) -> None:
    how = {"requests": 300, "seed": 1, "leave_out": "slow"}
    fuzzer = fuzz(attacked(base), MODEL_NAME, base, [gray(9)], **how)
    assert fuzzer.improper == []
    # Some get as far as the model.
    assert fuzzer.answers["gRPC OK"] > 5
    assert fuzzer.answers["HTTP 200"] > 0
