"""Attention rollout against numbers by hand, the paper's rule written out, and networks that are none of its kind."""

import gc
import weakref

import numpy as np
import pytest

from attnviz.errors import InputError
from attnviz.position_attention import PositionAttention
from attnviz.reduce import rollout as module
from attnviz.reduce.rollout import layers_of, rollout, rollout_of


def layer(seed: int, *, heads: int = 2, others: int = 1, grid: tuple[int, int] = (2, 3)) -> PositionAttention:
    rng = np.random.default_rng(seed)
    query, key = (rng.normal(size=(heads, 4, *grid)).astype(np.float32) for _ in range(2))
    tokens = [rng.normal(size=(heads, 4, others)).astype(np.float32) if others else None for _ in range(2)]
    arrays = [a[0] if heads == 1 and a is not None else a for a in (query, key, *tokens)]
    found = PositionAttention(arrays[0], arrays[1], 1.0, 16, arrays[2], arrays[3], class_token=others > 0)
    assert found.heads == heads
    return found


def vit(count: int = 3, path: str = "blocks.{}.attn.attention", **more) -> dict[str, PositionAttention]:
    return {path.format(number): layer(number, **more) for number in range(count)}


def by_hand(positions: dict[str, PositionAttention]) -> np.ndarray:
    """Section 3 of the paper as loops over heads, tokens and layers, in double precision."""
    total = None
    for position in positions.values():
        keys = np.concatenate([position.other_key, position.key.reshape(*position.key.shape[:2], -1)], 2)
        queries = np.concatenate([position.other_query, position.query.reshape(*position.query.shape[:2], -1)], 2)
        tokens = keys.shape[2]
        mixed = np.zeros((tokens, tokens))
        for head in range(position.heads):
            for i in range(tokens):
                energy = [float(queries[head, :, i] @ keys[head, :, j]) for j in range(tokens)]
                weights = np.exp(np.array(energy) - max(energy))
                mixed[i] += 0.5 * weights / weights.sum() / position.heads
        for i in range(tokens):
            mixed[i, i] += 0.5
        total = mixed if total is None else np.array([[sum(row * total[:, j]) for j in range(tokens)] for row in mixed])
    return total


def test_two_layers_by_hand():
    first = np.array([[0.0, 1.0], [0.5, 0.5]], np.float32)
    second = np.array([[1.0, 0.0], [1.0, 0.0]], np.float32)
    # halved with the identity: [[0.5, 0.5], [0.25, 0.75]] and [[1, 0], [0.5, 0.5]]; the second times the first
    np.testing.assert_allclose(rollout([first, second]), [[0.5, 0.5], [0.375, 0.625]])
    np.testing.assert_allclose(rollout([second, first]), [[0.75, 0.25], [0.625, 0.375]])  # the order matters


def test_it_equals_the_papers_rule():
    positions = vit()
    found, expected = rollout_of(positions), by_hand(positions)
    assert (found.others, found.grid, found.layers, found.class_token) == (1, (2, 3), tuple(positions), True)
    np.testing.assert_allclose(found.matrix, expected, atol=1e-6)
    np.testing.assert_allclose(found.matrix.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(found.token_row().ravel(), expected[0, 1:], atol=1e-6)
    np.testing.assert_allclose(found.row(1, 2).ravel(), expected[6, 1:], atol=1e-6)
    np.testing.assert_allclose(found.column(0, 1).ravel(), expected[1:, 2], atol=1e-6)
    np.testing.assert_allclose(found.received.ravel(), expected[1:, 1:].mean(axis=0), atol=1e-6)


def test_a_place_or_token_that_is_not_there_is_refused():
    found = rollout_of(vit())
    for place in ((2, 0), (0, 3), (-1, 0)):
        for ask in (found.row, found.column):
            with pytest.raises(IndexError, match="2 x 3"):
                ask(*place)
    with pytest.raises(IndexError, match="token of 1"):
        found.token_row(1)


@pytest.mark.parametrize("layers", [[], [np.ones((2, 3))], [np.eye(2), np.eye(3)], [np.ones(4)]])
def test_what_is_no_stack_of_matrices_is_refused(layers):
    with pytest.raises(InputError, match="expected"):
        rollout(layers)


@pytest.mark.parametrize(
    "path",
    [
        "blocks.{}.attn.attention",
        "encoder.layers.encoder_layer_{}.self_attention.attention",
        "vit2.encoder.layer.{}.attention.attention",
        "stage4.blocks.{}.attention",
    ],
)
def test_the_layers_of_a_transformer_are_known_by_their_labels(path):
    assert layers_of(vit(12, path)) == tuple(path.format(number) for number in range(12))


def test_attention_beside_the_layers_is_left_out():
    positions = vit(4) | {"pool.attention": layer(9), "neck.0.attention": layer(8, grid=(1, 2))}
    assert layers_of(positions) == tuple(vit(4))


def test_what_is_no_vision_transformer_has_no_rollout(monkeypatch):
    blocks = {
        "layer2.0.nl.attention": layer(0, heads=1, others=0),
        "layer2.1.nl.attention": layer(1, heads=1, others=0),
    }
    heads = vit(3, others=0)  # three blocks with heads in a convolutional network
    gap = {label: position for label, position in vit(4).items() if "1" not in label}
    grids = {"blocks.0": layer(0), "blocks.1": layer(0, grid=(4, 6))}
    swin = {f"layers.2.blocks.{n}.attn.attention": layer(n, others=0) for n in range(6)}
    swin |= {"layers.3.blocks.0.attn.attention": layer(7, others=0, grid=(1, 2))}
    two_numbers = {"a.0.0": layer(0), "a.0.1": layer(1), "a.1.0": layer(2), "a.1.1": layer(3)}
    for positions in ({}, blocks, heads, gap, grids, swin, two_numbers, vit(1)):
        assert rollout_of(positions) is None
    assert layers_of(vit(4, others=0)) != ()
    monkeypatch.setattr(module, "MOST_TOKENS", 6)
    assert layers_of(vit()) == ()


def test_it_is_made_once_and_forgotten_with_the_layers():
    positions = vit()
    found = weakref.ref(rollout_of(positions))
    assert rollout_of(positions) is found()
    del positions
    gc.collect()
    assert found() is None
