"""Which views are drawn, and how every category is made to count."""

import pytest
import torch

from training.gauges import alike
from training.shards import seldom


def test_seldom_categories_are_drawn_as_often_as_the_others():
    logits = torch.full((100, 3), -20.0)
    logits[:90, 0] = logits[90:98, 1] = logits[98:, 2] = 20.0  # 90, 8 and 2 views, the teacher is sure
    weights = seldom(logits, 1.0)
    assert torch.allclose(
        torch.stack([weights[:90].sum(), weights[90:98].sum(), weights[98:].sum()]), torch.tensor(100 / 3)
    )
    assert torch.allclose(seldom(logits, 0.0), torch.ones(100))
    half = seldom(logits, 0.5)
    assert float(half[98] / half[0]) == pytest.approx(45**0.5, rel=1e-3)


def test_one_category_that_is_never_found_costs_half_of_two():
    right, categories = torch.tensor([True] * 9 + [False]), torch.tensor([4] * 9 + [7])
    assert alike(right, categories) == 50.0
