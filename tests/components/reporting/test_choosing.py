from components.interpreter.choosing import choose_labels, choose_masks
from components.interpreter.scoring import LabelScore, MaskScore


def label_scores(*rows):
    return [
        LabelScore(index, f"{index:03d}.jpg", truth, predicted, probability)
        for index, (truth, predicted, probability) in enumerate(rows)
    ]


def mask_scores(*values):
    return [
        MaskScore(index, f"{index:03d}.jpg", (value, value, value))
        for index, value in enumerate(values)
    ]


def indices(scores):
    return [score.index for score in scores]


WRONG = ("cat", "dog")
CAT = ("cat", "cat")
DOG = ("dog", "dog")


def test_wrong_ones_are_the_most_confident():
    scores = label_scores((*WRONG, 0.6), (*WRONG, 0.9), (*WRONG, 0.8), (*CAT, 0.9), (*DOG, 0.9))
    choice = choose_labels(scores, 4)
    assert indices(choice.wrong) == [1, 2]
    assert indices(choice.right) == [3, 4]


def test_right_ones_are_spread_over_classes_and_confidence():
    cats = [(*CAT, p) for p in (0.99, 0.9, 0.8, 0.7, 0.6)]
    scores = label_scores(*cats, (*DOG, 0.95), (*DOG, 0.55))
    choice = choose_labels(scores, 5)
    # Cats take turns with dogs: the first, the middle and the last cat; both dogs.
    assert indices(choice.right) == [0, 5, 2, 6, 4]
    assert choice.wrong == []


def test_many_wrong_ones_fill_up_for_few_right_ones_and_the_other_way_round():
    wrong = [(*WRONG, p / 10) for p in (9, 8, 7, 6)]
    few_right = choose_labels(label_scores(*wrong, (*CAT, 0.9)), 4)
    assert (indices(few_right.wrong), indices(few_right.right)) == ([0, 1, 2], [4])
    none_right = choose_labels(label_scores(*wrong), 3)
    assert (indices(none_right.wrong), none_right.right) == ([0, 1, 2], [])
    none_wrong = choose_labels(label_scores((*CAT, 0.9), (*CAT, 0.8), (*DOG, 0.7)), 3)
    assert sorted(indices(none_wrong.right)) == [0, 1, 2]


def test_more_asked_than_there_are():
    scores = label_scores((*WRONG, 0.6), (*CAT, 0.9))
    choice = choose_labels(scores, 12)
    assert (indices(choice.wrong), indices(choice.right)) == ([0], [1])
    assert choose_labels([], 12).wrong == []
    assert choose_masks([], 12).lowest == []


def test_labels_do_not_depend_on_the_order():
    scores = label_scores(*[(*CAT, 0.9)] * 5, *[(*WRONG, 0.9)] * 5, *[(*DOG, 0.9)] * 5)
    assert choose_labels(scores, 6) == choose_labels(scores[::-1], 6)


def test_masks_lowest_middle_highest():
    choice = choose_masks(mask_scores(0.9, 0.1, 0.5, 0.2, 0.8, 0.4, 0.6), 3)
    assert indices(choice.lowest) == [1]
    assert indices(choice.middle) == [2]  # the median of the seven
    assert indices(choice.highest) == [0]


def test_masks_are_disjoint_at_every_count():
    scores = mask_scores(*[value / 20 for value in range(11)])
    for count in range(1, 15):
        choice = choose_masks(scores, count)
        chosen = indices(choice.lowest) + indices(choice.middle) + indices(choice.highest)
        assert len(set(chosen)) == len(chosen) == min(count, 11)
        assert choice.lowest[0].index == 0
        if count > 1:
            assert choice.highest[0].index == 10
