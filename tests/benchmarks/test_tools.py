from operator import call

from benchmarks import tools


def test_times_are_taken_in_turn_and_compared_round_by_round():
    called = []

    def action(name, values):
        def run():
            called.append(name)
            return values.pop(0)

        return run

    actions = {"a": action("a", [99.0, 2.0, 30.0, 2.0]), "b": action("b", [1.0, 1.0, 10.0, 4.0])}
    times = tools.in_turn(actions, 3, call)
    assert times == {"a": [2.0, 30.0, 2.0], "b": [1.0, 10.0, 4.0]}
    assert called == ["b", "a", "a", "b", "b", "a", "a", "b"]
    told = tools.told(times, "b", 10, "tenths")
    assert told == {"tenths": {"a": 20.0, "b": 40.0}, "over_b": {"a": 2.0}}  # of 2, 3 and 0.5
