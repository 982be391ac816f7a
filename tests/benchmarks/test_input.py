import numpy as np


def test_both_sides_read_the_same_images(tmp_path):
    from benchmarks import input
    from components import preprocessing

    folder = tmp_path / "drawn"
    split, seconds = input.prepare(folder, 40, 32)  # what fills no batch is not drawn
    assert seconds > 0
    assert split.inputs.shape == (32, 32, 32, 3)
    paths = sorted(folder.rglob("*.jpg"))
    assert len(paths) == 32
    decoded = {
        np.rint(preprocessing.decode_image(path.read_bytes(), 32))
        .astype(np.uint8)
        .tobytes(): path.parent.name == "Dog"
        for path in paths
    }
    for image, target in zip(split.inputs, split.targets, strict=True):
        assert decoded.pop(image.tobytes()) == target[0]
    assert not decoded


def test_times_are_taken_in_turn_and_compared_round_by_round():
    from benchmarks import tools

    called = []

    def action(name, values):
        def run():
            called.append(name)
            return values.pop(0)

        return run

    times = tools.in_turn(
        {"a": action("a", [99.0, 2.0, 30.0, 2.0]), "b": action("b", [1.0, 1.0, 10.0, 4.0])}, 3
    )
    assert times == {"a": [2.0, 30.0, 2.0], "b": [1.0, 10.0, 4.0]}
    assert called == ["b", "a", "a", "b", "b", "a", "a", "b"]
    assert tools.ratio(times, "a", "b") == 2.0  # of 2, 3 and 0.5
    assert tools.medians(times) == {"a": 2.0, "b": 4.0}
