"""The energies of a position attention on their way to a softmax: what made them, and what was done to them since."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from attnviz.observe.energies import Step
from attnviz.observe.places import JOINS, Numbers
from attnviz.observe.shape_calls import permutation

_SAME = {"contiguous", "clone", "to", "type_as", "float", "dropout"}
_SHAPES = {"view", "reshape", "unsqueeze", "squeeze", "flatten", "unflatten", "view_as", "reshape_as"}
_SCALES = {"mul", "multiply", "div", "true_divide", "divide"}
_ADDS = {"add", "sub", "subtract"}
_HIDES = -1e4  # an energy that is filled in and not larger hides a key from the softmax
Pair = tuple[Numbers | None, Numbers | None]


@dataclass(frozen=True)
class Move:
    """One thing that only moved the energies about.

    Attributes:
        before: Their shape before it.
        order: Of their dimensions after it; None where the shape alone changed.
        shape: After it.
    """

    before: tuple[int, ...]
    order: tuple[int, ...] | None
    shape: tuple[int, ...]

    def done(self, tensor: Tensor) -> Tensor:
        """The same done to another tensor of that shape."""
        return tensor.reshape(self.shape) if self.order is None else tensor.permute(self.order)

    def undone(self, tensor: Tensor) -> Tensor:
        """The way back."""
        if self.order is None:
            return tensor.reshape(self.before)
        return tensor.permute([self.order.index(dim) for dim in range(len(self.order))])

    @property
    def leaves_rows(self) -> bool:
        """Whether the last two dimensions are as before."""
        return self.order is None and self.before[-2:] == self.shape[-2:]


@dataclass(frozen=True)
class Product:
    """The energies of a position attention on their way to the softmax.

    Attributes:
        query: (..., N, c).
        key: (..., M, c).
        number: Of the call that made it.
        places: Of query and key.
        steps: What the product was multiplied with, and what was added to it; as if it had not been moved.
        moves: How its numbers were moved about.
        changed: How it was changed otherwise; empty where it was not.
        joined: The products that were put side by side to make it; empty where it is one alone. Steps and moves are
            those since then.
        turned: Whether its rows are the keys.
        calls: Numbers of the calls that made it what it is.
    """

    query: Tensor
    key: Tensor
    number: int
    places: Pair
    steps: tuple[Step, ...] = ()
    moves: tuple[Move, ...] = ()
    changed: str = ""
    joined: tuple[Product, ...] = ()
    turned: bool = False
    calls: frozenset[int] = frozenset()

    @property
    def shape(self) -> torch.Size:
        """(..., N, M), before it was moved."""
        return torch.Size((*self.query.shape[:-1], self.key.shape[-2]))

    def transposed(self) -> Product:
        """With rows and columns exchanged; of one that was not moved."""
        return replace(
            self,
            query=self.key,
            key=self.query,
            places=self.places[::-1],
            turned=not self.turned,
            steps=tuple(step.transposed() for step in self.steps),
            moves=(),
        )

    def moved(self, tensor: Tensor) -> Tensor:
        """A tensor (..., N, M) moved about as the energies were."""
        tensor = tensor.reshape(self.moves[0].before) if self.moves else tensor
        for move in self.moves:
            tensor = move.done(tensor)
        return tensor

    def put_back(self, tensor: Tensor) -> Tensor:
        """A tensor of the shape of the energies as they are now, as (..., N, M)."""
        for move in self.moves[::-1]:
            tensor = move.undone(tensor)
        return tensor.reshape(self.shape) if self.moves else tensor

    @property
    def keeps_rows(self) -> bool:
        """Whether the last two dimensions of the energies are still queries and keys."""
        return all(move.leaves_rows for move in self.moves)


def spread(query: Tensor, key: Tensor, places: Pair) -> tuple[Tensor, Tensor, Pair]:
    """Query and key with as many heads each: keys that all heads share stand for each of them."""
    if query.shape[:-2] == key.shape[:-2] or query.ndim != key.ndim:
        return query, key, places
    lead = torch.broadcast_shapes(query.shape[:-2], key.shape[:-2])
    query, key = (t.expand(*lead, *t.shape[-2:]) for t in (query, key))
    of_query, of_key = (n and replace(n, of=n.of.expand(*lead, *n.of.shape[-2:])) for n in places)
    return query, key, (of_query, of_key)


def of_matrices(number: int, name: str, tensors: Sequence[Tensor], places: Pair, kwargs: dict[str, Any]) -> Product:
    """The product that a call of `matmul` or its like makes.

    Args:
        number: Of the call.
        name: Of the call.
        tensors: Its tensors; the last two are (..., N, c) and (..., c, M).
        places: Of these two.
        kwargs: Its arguments by name.
    """
    left, right = tensors[-2:]
    of_left, of_right = places
    turned = of_right and replace(of_right, of=of_right.of.transpose(-1, -2))
    query, key, places = spread(left, right.transpose(-1, -2), (of_left, turned))
    made = Product(query, key, number, places, calls=frozenset({number}))
    if name != "baddbmm":
        return made
    alpha, beta = kwargs.get("alpha", 1), kwargs.get("beta", 1)
    bias = () if not beta else (Step("add", tensors[0].detach() * beta, made.shape),)
    return replace(made, steps=(Step("mul", alpha, made.shape), *bias))


def of_einsum(number: int, equation: object, tensors: Sequence[Tensor], places: Pair) -> Product | None:
    """The product that an einsum of two tensors makes; None where it is none of query and key.

    One letter is summed over, one is of the queries alone and one of the keys alone; all others are of both.
    """
    if not isinstance(equation, str) or len(tensors) != 2:
        return None
    sides, arrow, result = equation.replace(" ", "").partition("->")
    one, _, other = sides.partition(",")
    if not arrow or "." in sides or len(result) < 3:
        return None
    summed = set(one) & set(other) - set(result)
    of_one, of_other = ("".join(c for c in result if c in a and c not in b) for a, b in ((one, other), (other, one)))
    lead = "".join(c for c in result if c in one and c in other)
    if min(map(len, (summed, of_one, of_other))) != 1 or {len(summed), len(of_one), len(of_other)} != {1}:
        return None
    c = summed.pop()
    if set(one) != {*lead, of_one, c} or set(other) != {*lead, of_other, c}:
        return None
    if result.index(of_one) > result.index(of_other):
        of_one, of_other, one, other, tensors, places = of_other, of_one, other, one, tensors[::-1], places[::-1]
    orders = f"{one}->{lead}{of_one}{c}", f"{other}->{lead}{of_other}{c}"
    query, key = (torch.einsum(order, tensor) for order, tensor in zip(orders, tensors, strict=True))
    turned = [
        None if numbers is None else replace(numbers, of=torch.einsum(order, numbers.of))
        for order, numbers in zip(orders, places, strict=True)
    ]
    made = Product(query, key, number, (turned[0], turned[1]), calls=frozenset({number}))
    order = tuple(f"{lead}{of_one}{of_other}".index(letter) for letter in result)
    if order == tuple(range(len(result))):
        return made
    return replace(made, moves=(Move(tuple(made.shape), order, tuple(made.shape[dim] for dim in order)),))


def side_by_side(number: int, name: str, products: Sequence[Product], dim: int, out: Tensor) -> Product | None:
    """Products that a call joins along the dimension over which a softmax will be taken; None where it does not.

    Args:
        number: Of the call.
        name: Of the call.
        products: Of all tensors that it joins.
        dim: Along which.
        out: What it gave.
    """
    if name not in JOINS - {"stack"} or len(products) < 2 or dim % out.ndim != out.ndim - 1:
        return None
    calls = frozenset({number}).union(*(product.calls for product in products))
    return replace(
        products[0], number=number, steps=(), moves=(), changed="cat", joined=tuple(products), turned=False, calls=calls
    )


def changed(
    product: Product, name: str, args: Sequence[Any], kwargs: dict[str, Any], source: Tensor, out: Tensor
) -> Product | None:
    """The product after one more call; None where it is no product any more."""
    if name in JOINS:
        return replace(product, changed=name, joined=())
    order = permutation(name, args, kwargs)
    before = tuple(source.shape)
    if order is not None:
        last = source.ndim - 1
        if order == [*range(last - 1), last, last - 1] and product.keeps_rows:
            return product.transposed()
        moved = Move(before, tuple(order), tuple(out.shape))
        return product if order == list(range(source.ndim)) else replace(product, moves=(*product.moves, moved))
    if name in _SAME | _SHAPES:
        if out.numel() != source.numel():
            return None
        same = before == tuple(out.shape)
        return product if same else replace(product, moves=(*product.moves, Move(before, None, tuple(out.shape))))
    if before[-2:] != tuple(out.shape[-2:]):
        return None
    followed = out.numel() == source.numel() == product.shape.numel() or bool(product.joined)
    step = _step(product, name, args, kwargs, source, out) if followed else None
    if step is not None:
        return replace(product, steps=(*product.steps, step))
    return replace(product, changed=name, joined=(), moves=product.moves if out.numel() == source.numel() else ())


def _step(
    product: Product, name: str, args: Sequence[Any], kwargs: dict[str, Any], source: Tensor, out: Tensor
) -> Step | None:
    """What a call does to the energies, where it scales them, adds to them or hides some; else None."""
    if name in _SCALES | _ADDS and len(args) > 1:
        first = args[0] is source
        other = args[1] if first else args[0]
        if not first and name not in {"mul", "multiply", "add"}:
            return None
        if name in _ADDS:
            if product.joined and isinstance(other, Tensor) and other.numel() > 1:
                return None
            return _added(product, other * (kwargs.get("alpha", 1) * (-1 if name != "add" else 1)), out)
        by_row = isinstance(other, Tensor) and other.numel() > 1 and other.shape[-2:] != (1, 1)
        if by_row or not (product.keeps_rows or not isinstance(other, Tensor) or other.numel() == 1):
            return None
        other = other.detach() if isinstance(other, Tensor) else other
        return Step("mul", other if name.startswith("mul") else 1 / other, out.shape)
    if name == "masked_fill" and len(args) > 2 and _hides(args[2]):
        return _hidden(product, args[1], out)
    if name == "where" and len(args) > 2 and isinstance(args[0], Tensor):
        first = args[1] is source
        if _hides(args[2] if first else args[1]):
            return _hidden(product, ~args[0] if first else args[0], out)
    return None


def _added(product: Product, value: Any, out: Tensor) -> Step:  # noqa: ANN401 - a number or a tensor
    """What was added, as if the energies had not been moved."""
    if not isinstance(value, Tensor) or product.keeps_rows or value.numel() == 1:
        return Step("add", value.detach() if isinstance(value, Tensor) else value, out.shape)
    return Step("add", product.put_back(value.detach().expand(out.shape)), product.shape)


def _hidden(product: Product, mask: Tensor, out: Tensor) -> Step:
    """Keys that are hidden from queries, as what is added to their energies."""
    zeros = torch.zeros(mask.shape, dtype=torch.float32, device=mask.device)
    return _added(product, zeros.masked_fill(mask, -math.inf), out)


def _hides(value: object) -> bool:
    if isinstance(value, Tensor):
        return value.numel() == 1 and not value.is_meta and float(value) <= _HIDES
    return isinstance(value, (int, float)) and value <= _HIDES
