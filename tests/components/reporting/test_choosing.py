import pytest

from components.reporting.choosing import LabelScore, choose_labels, choose_thirds, hesitant


def label_scores(*rows):
    return [
        LabelScore(index, f"{index:03d}.jpg", truth, predicted, confidence)
        for index, (truth, predicted, confidence) in enumerate(rows)
    ]


def chosen(scores, count, **options):
    """Positions of the wrong and of the right ones."""
    return [[score.index for score in kind] for kind in choose_labels(scores, count, **options)]


WRONG = ("cat", "dog")
CAT = ("cat", "cat")
DOG = ("dog", "dog")


def test_wrong_ones_are_the_most_confident():
    scores = label_scores((*WRONG, 0.6), (*WRONG, 0.9), (*WRONG, 0.8), (*CAT, 0.9), (*DOG, 0.9))
    assert chosen(scores, 4) == [[1, 2], [3, 4]]


def test_right_ones_are_spread_over_classes_and_confidence():
    cats = [(*CAT, p) for p in (0.99, 0.9, 0.8, 0.7, 0.6)]
    scores = label_scores(*cats, (*DOG, 0.95), (*DOG, 0.55))
    # Cats take turns with dogs: the first, the middle and the last cat; both dogs.
    assert chosen(scores, 5) == [[], [0, 5, 2, 6, 4]]
    assert chosen(scores, 2, choose_right=hesitant) == [[], [6, 4]]


@pytest.mark.parametrize(
    ("rows", "count", "found"),
    [
        ([*[(*WRONG, p / 10) for p in (9, 8, 7, 6)], (*CAT, 0.9)], 4, [[0, 1, 2], [4]]),
        ([(*WRONG, p / 10) for p in (9, 8, 7, 6)], 3, [[0, 1, 2], []]),
        ([(*CAT, 0.9), (*CAT, 0.8), (*DOG, 0.7)], 3, [[], [0, 2, 1]]),
        ([(*WRONG, 0.6), (*CAT, 0.9)], 12, [[0], [1]]),  # more asked than there are
        ([], 12, [[], []]),
    ],
)
def test_where_one_kind_is_few_the_other_fills_up(rows, count, found):
    assert chosen(label_scores(*rows), count) == found


def test_labels_do_not_depend_on_the_order():
    scores = label_scores(*[(*CAT, 0.9)] * 5, *[(*WRONG, 0.9)] * 5, *[(*DOG, 0.9)] * 5)
    assert choose_labels(scores, 6) == choose_labels(scores[::-1], 6)


def test_thirds_are_lowest_middle_highest_without_overlap():
    assert choose_thirds(range(7), 3) == ([0], [3], [6])
    assert choose_thirds([], 3) == ([], [], [])
    for count in range(1, 15):
        lowest, middle, highest = choose_thirds(range(11), count)
        assert len({*lowest, *middle, *highest}) == min(count, 11)
        assert len(lowest) + len(middle) + len(highest) == min(count, 11)
        assert lowest[0] == 0
        assert count == 1 or highest[0] == 10
