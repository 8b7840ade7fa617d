"""What an explanation is made of, by hand."""

import math

import numpy as np
import pytest

from attnviz.results import AttentionMap, ChannelAttention, Prediction, Segmentation, StageAttention

LOG3 = math.log(3)


@pytest.mark.parametrize(
    ("fusion", "expected"), [("sum", [0.75, 0.9]), ("product", [0.5, 1 / (1 + math.exp(-(LOG3**2)))])]
)
def test_gate_of_one_channel(fusion: str, expected: list[float]) -> None:
    def flat(values: list[float]) -> AttentionMap:
        return AttentionMap("l", "t", "k", np.array([values], dtype=np.float32), "logit", (None, None), 1, 4)

    channels = np.array([-9.0, LOG3], dtype=np.float32)
    stage = StageAttention(1, 4, fusion, flat([0.0, LOG3]), channels, flat([1.0, 2.0]))
    np.testing.assert_allclose(stage.gate(1)[0], expected, rtol=1e-6)
    assert stage.gain.raw_range == (1.0, 2.0)


def test_extreme_logits_give_a_gate_without_overflow() -> None:
    logits = AttentionMap("l", "t", "k", np.array([[-1e4, 1e4]], dtype=np.float32), "logit", (None, None), 1, 4)
    stage = StageAttention(1, 4, "sum", logits, np.zeros(1, dtype=np.float32), logits)
    np.testing.assert_allclose(stage.gate(0)[0], [0.0, 1.0])


def test_shares_of_classes() -> None:
    labels = np.array([[2, 2, 0], [2, 0, 2]], dtype=np.uint8)
    found = Segmentation(("sky", "road", "car"), {"fused": labels}, labels)
    assert list(found.shares().items()) == [("car", pytest.approx(4 / 6)), ("sky", pytest.approx(2 / 6))]


def test_results_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Prediction("sky", 0.5).probability = 1.0  # type: ignore[misc]
    assert ChannelAttention.__dataclass_params__.frozen  # type: ignore[attr-defined]
