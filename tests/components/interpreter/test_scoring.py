import math

import pytest

from components.interpreter.readers import parse_picture
from components.interpreter.scoring import Predictor, score_labels, score_masks


def test_score_labels(kit):
    predictor = Predictor(str(kit.classifier / "Format-Serving"))
    pictures = [parse_picture(record) for record in kit.labelled()["test"]]
    scores = score_labels(predictor, pictures)
    assert [score.predicted for score in scores] == ["cat", "cat", "dog", "dog", "dog", "cat"]
    assert [score.right for score in scores] == [True, True, False, True, True, False]
    # Red less blue is 190 in the third picture: sigmoid(190 / 50).
    assert scores[2].probability == pytest.approx(1 / (1 + math.exp(-3.8)), abs=1e-6)


def test_score_masks_at_model_size(kit):
    predictor = Predictor(str(kit.segmenter / "Format-Serving"))
    pictures = [parse_picture(record) for record in kit.masked()["test"]]
    scores = score_masks(predictor, pictures)
    # The model finds 12 of 24 columns, 8 of 16 at its size; 8 of 24 columns become 5 of 16.
    perfect = scores[3]
    assert perfect.ious[:2] == (1.0, 1.0)
    assert math.isnan(perfect.ious[2])
    assert perfect.mean_iou == 1.0
    assert scores[2].ious[0] == pytest.approx(5 / 8)
    assert scores[2].ious[1] == pytest.approx(8 / 11)
    assert scores[2].mean_iou == pytest.approx((5 / 8 + 8 / 11) / 2)


def test_only_so_many_are_scored(kit, monkeypatch):
    monkeypatch.setattr("components.interpreter.scoring.SCORED_AT_MOST", 2)
    predictor = Predictor(str(kit.classifier / "Format-Serving"))
    scores = score_labels(predictor, [parse_picture(r) for r in kit.labelled()["test"]])
    assert [score.index for score in scores] == [0, 1]
