"""Position attention: a softmax over the product of two tensors that then multiplies a third; query and key are kept.

The product itself is only looked at while the network holds it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from attnviz.observe.energies import Kept, KeptName, Step, kept
from attnviz.observe.layouts import APART, Form, Layout, form_of, layout_of
from attnviz.observe.places import PRODUCTS, Numbers, Places
from attnviz.observe.shape_calls import permutation, tensors_in

_SEPARATED = APART / 2  # energies below it are of places that are kept apart
_ROWS_CHECKED = 32  # of each head's softmax, against what is kept
_KEEPS_PLACES = {"contiguous", "clone", "to", "type_as", "float", "dropout", "view", "reshape", "unsqueeze", "squeeze"}
_SCALES = {"mul", "multiply", "div", "true_divide", "divide"}
_Pair = tuple[Numbers | None, Numbers | None]
_ADDS = {"add", "sub", "subtract"}
Layouts = dict[tuple[int, bool, Form], Layout]  # by number of the product's call, and whether it is turned


@dataclass(frozen=True)
class Product:
    """The energies of a position attention on their way to the softmax.

    Attributes:
        query: (..., N, c).
        key: (..., M, c).
        number: Of the call that made it.
        places: Of query and key.
        steps: What the product was multiplied with, and what was added to it.
        changed: How it was changed otherwise; empty where it was not.
        turned: Whether its rows are the keys.
        calls: Numbers of the calls that made it what it is.
    """

    query: Tensor
    key: Tensor
    number: int
    places: tuple[Numbers | None, Numbers | None]
    steps: tuple[Step, ...] = ()
    changed: str = ""
    turned: bool = False
    calls: frozenset[int] = frozenset()

    def transposed(self) -> Product:
        """With rows and columns exchanged."""
        return replace(
            self,
            query=self.key,
            key=self.query,
            places=self.places[::-1],
            turned=not self.turned,
            steps=tuple(step.transposed() for step in self.steps),
        )


@dataclass(frozen=True)
class Attention:
    """A position attention that was found.

    Attributes:
        layout: Its heads and grids.
        kept: Its query and key; None where it is not shown.
        reason: Why it is not shown; empty where it is.
        calls: Numbers of the calls that made it.
        numel: How many numbers are kept of it, where it is shown.
    """

    layout: Layout
    kept: Kept | None = None
    reason: str = ""
    calls: frozenset[int] = field(default=frozenset())
    numel: int = 0

    @property
    def names(self) -> tuple[KeptName, ...]:
        """Of the tensors that are kept; none where it is not shown."""
        return () if self.kept is None else self.kept.names


class AttentionWatch:
    """Follows products of two tensors through one forward pass.

    Args:
        batch: How many pictures.
        places: Of the picture, of all tensors so far; None where layouts are known from an earlier pass.
        layouts: Of the products so far; filled where places are given.

    Attributes:
        strayed: Whether a product was another one than in the earlier pass, so that its layout is not known.
    """

    def __init__(self, batch: int, places: Places | None, layouts: Layouts) -> None:
        self._batch, self._places, self._layouts = batch, places, layouts
        self.strayed = False
        self._last: tuple[_Pair, int, Layout] | None = None  # of the attention before: places, queries, layout
        self._products = WeakTensorKeyDictionary()
        self._softmaxes = WeakTensorKeyDictionary()

    def finished(self, number: int, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Attention | None:
        """The attention that a call completes: a softmax times a third tensor, or all of it at once."""
        if name == "scaled_dot_product_attention":
            return self._at_once(number, args, kwargs)
        if name in PRODUCTS:
            return next((self._softmaxes[a] for a in tensors_in(args) if a in self._softmaxes), None)
        return None

    def is_softmax(self, tensor: Tensor) -> bool:
        """Whether a tensor is the softmax of a position attention that is followed."""
        return tensor in self._softmaxes

    def note(self, number: int, name: str, args: Sequence[Any], kwargs: dict[str, Any], outs: Sequence[Tensor]) -> None:
        """Remember what a call made of products and their softmaxes."""
        tensors = tensors_in(args)
        if not tensors or not outs:
            return
        out, source = outs[0], tensors[0]
        product = self._products.get(source)
        if product is None and len(tensors) > 1:
            source, product = next(((t, self._products[t]) for t in tensors if t in self._products), (source, None))
        if name in PRODUCTS and product is not None and out.shape[-2:] == source.shape[-2:]:
            self._products[out] = replace(product, changed=name, calls=product.calls | {number})  # mixed between heads
        elif name in PRODUCTS:
            made = self._product(number, name, args, kwargs)
            if made is not None:
                self._products[out] = made
        elif name == "softmax" and product is not None:
            dim = args[1] if len(args) > 1 else kwargs.get("dim", -1)
            found = self._softmaxed(product, out, dim)
            if found is not None:
                self._softmaxes[out] = replace(found, calls=product.calls | {number})
        elif product is not None:
            changed = _changed(product, name, args, kwargs, source, out)
            if changed is not None:
                self._products[out] = replace(changed, calls=product.calls | {number})
        else:
            followed: Attention | None = next((self._softmaxes[t] for t in tensors if t in self._softmaxes), None)
            if followed is not None:
                for each in outs:
                    self._softmaxes[each] = replace(followed, calls=followed.calls | {number})

    def _places_of(self, tensor: Tensor) -> Numbers | None:
        return None if self._places is None else self._places.of(tensor)

    def _product(self, number: int, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Product | None:
        own = tensors_in(args)
        if any(t in self._softmaxes for t in own):
            return None
        if name == "einsum":
            return self._einsum(number, args, own)
        left, right = (own[1], own[0]) if name == "rmatmul" else (own[-2], own[-1])
        if left.ndim < 3 or right.ndim != left.ndim:
            return None
        key_places = self._places_of(right)
        if key_places is not None:
            key_places = replace(key_places, of=key_places.of.transpose(-1, -2))
        query, key, places = _spread(left, right.transpose(-1, -2), (self._places_of(left), key_places))
        made = Product(query, key, number, places, calls=frozenset({number}))
        if name == "baddbmm":
            alpha, beta = kwargs.get("alpha", 1), kwargs.get("beta", 1)
            shape = torch.Size((*left.shape[:-1], right.shape[-1]))
            bias = () if not beta else (Step("add", own[0].detach() * beta, shape),)
            made = replace(made, steps=(Step("mul", alpha, shape), *bias))
        return made

    def _einsum(self, number: int, args: Sequence[Any], own: Sequence[Tensor]) -> Product | None:
        if not isinstance(args[0], str) or len(own) != 2:
            return None
        sides, arrow, result = args[0].replace(" ", "").partition("->")
        one, _, other = sides.partition(",")
        if not arrow or "." in sides or len(result) < 3:
            return None
        lead, n, m = result[:-2], result[-2], result[-1]
        if n not in one:
            one, other, own = other, one, own[::-1]
        summed = set(one) & set(other) - set(result)
        own_one, own_other = set(one) - summed - {n}, set(other) - summed - {m}
        if len(summed) != 1 or n in other or m in one or own_one != set(lead) or own_other != set(lead):
            return None
        c = summed.pop()
        orders = f"{one}->{lead}{n}{c}", f"{other}->{lead}{m}{c}"
        query, key = (torch.einsum(order, tensor) for order, tensor in zip(orders, own, strict=True))
        places = [self._places_of(tensor) for tensor in own]
        turned = [
            None if numbers is None else replace(numbers, of=torch.einsum(order, numbers.of))
            for order, numbers in zip(orders, places, strict=True)
        ]
        return Product(query, key, number, (turned[0], turned[1]), calls=frozenset({number}))

    def _softmaxed(self, product: Product, out: Tensor, dim: int) -> Attention | None:
        dim = dim % out.ndim
        if dim == out.ndim - 2:
            product, out = product.transposed(), out.transpose(-1, -2)
        elif dim != out.ndim - 1:
            return None
        found = self._attention(product)
        if found.reason:
            return found
        if out.shape[-2:] == (product.query.shape[-2], product.key.shape[-2]) and out.numel() == math.prod(
            (*product.query.shape[:-1], product.key.shape[-2])
        ):
            worst = _worst(found, out, every=bool(product.changed or product.steps))
            if worst <= (1e-5 if out.dtype == torch.float32 else 1e-2):
                return found
        what = product.changed or "something"
        return replace(found, kept=None, reason=f"{what} stands between product and softmax")

    def _at_once(self, number: int, args: Sequence[Any], kwargs: dict[str, Any]) -> Attention:
        names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        query, key, mask, scale = given["query"], given["key"], given.get("attn_mask"), given.get("scale")
        places = self._places_of(query), self._places_of(key)
        if given.get("enable_gqa") and key.ndim == query.ndim == 4:
            times = query.shape[1] // key.shape[1]
            key = key.repeat_interleave(times, dim=1)
            places = places[0], places[1] and replace(places[1], of=places[1].of.repeat_interleave(times, dim=1))
        query, key, places = _spread(query, key, places)
        shape = torch.Size((*query.shape[:-1], key.shape[-2]))
        steps = [Step("mul", 1 / math.sqrt(query.shape[-1]) if scale is None else scale, shape)]
        if given.get("is_causal"):
            mask = torch.ones(shape[-2:], dtype=torch.bool, device=query.device).tril()
        if mask is not None and mask.dtype == torch.bool:
            mask = torch.zeros_like(mask, dtype=torch.float32).masked_fill(~mask, -math.inf)
        if mask is not None:
            steps.append(Step("add", mask, shape))
        return self._attention(Product(query, key, number, places, tuple(steps), calls=frozenset({number})))

    def _layout_of(self, places: _Pair, count: int) -> Layout:
        """The layout of these places of query and key; most often it is that of the attention before."""
        if self._last is not None and count == self._last[1]:
            if all(one is not None and one.equals(other) for one, other in zip(places, self._last[0], strict=True)):
                return self._last[2]
        layout = layout_of(*places, self._batch, count)
        self._last = places, count, layout
        return layout

    def _attention(self, product: Product) -> Attention:
        """What is kept of a product: its heads apart, its places in order, scale, bias and windows folded in."""
        at = product.number, product.turned, form_of(product.query, product.key)
        if at not in self._layouts:
            self.strayed |= self._places is None
            self._layouts[at] = self._layout_of(product.places, int(product.query.shape[-2]))
        layout = self._layouts[at]
        if layout.reason:
            return Attention(layout, reason=layout.reason, calls=product.calls, numel=_numel(product))
        found = kept(product.query, product.key, product.steps, layout)
        if isinstance(found, str):
            return Attention(layout, reason=found, calls=product.calls)
        return Attention(layout, found, calls=product.calls)


def _spread(query: Tensor, key: Tensor, places: _Pair) -> tuple[Tensor, Tensor, _Pair]:
    """Query and key with as many heads each: keys that all heads share stand for each of them."""
    if query.shape[:-2] == key.shape[:-2] or query.ndim != key.ndim:
        return query, key, places
    lead = torch.broadcast_shapes(query.shape[:-2], key.shape[:-2])
    query, key = (t.expand(*lead, *t.shape[-2:]) for t in (query, key))
    of_query, of_key = (n and replace(n, of=n.of.expand(*lead, *n.of.shape[-2:])) for n in places)
    return query, key, (of_query, of_key)


def _numel(product: Product) -> int:
    """How many numbers are kept of a product, from its shapes alone."""
    query, key = product.query.shape, product.key.shape
    has_bias = any(step.what == "add" and isinstance(step.value, Tensor) for step in product.steps)
    windows = 2 * (math.prod(query[:-2]) - 1).bit_length()  # at most; what sets them apart
    width = query[-1] + (key[-2] if has_bias else 0) + windows
    return int(math.prod(query[:-2]) * (query[-2] + key[-2]) * width)


def _changed(
    product: Product, name: str, args: Sequence[Any], kwargs: dict[str, Any], source: Tensor, out: Tensor
) -> Product | None:
    """The product after one more call; None where it is no product any more."""
    if name == "cat":
        return replace(product, changed="cat")
    order = permutation(name, args, kwargs)
    if order is not None:
        last = source.ndim - 1
        if order == [*range(last - 1), last, last - 1]:
            return product.transposed()
        return product if order == list(range(source.ndim)) else replace(product, changed=name)
    if out.shape[-2:] != source.shape[-2:]:
        return None
    if name in _KEEPS_PLACES:
        return product if out.numel() == source.numel() else None
    if name in _SCALES | _ADDS and len(args) > 1 and out.numel() == source.numel():
        first = args[0] is source
        other = args[1] if first else args[0]
        if isinstance(other, Tensor) and name in _SCALES and other.shape[-2:] != (1, 1) and other.numel() > 1:
            return replace(product, changed=name)
        if first or name in {"mul", "multiply", "add"}:
            what = "add" if name in _ADDS else "mul"
            other = other.detach() if isinstance(other, Tensor) else other
            times = kwargs.get("alpha", 1) * (-1 if name in {"sub", "subtract"} else 1)
            value = other * times if what == "add" else other if name.startswith("mul") else 1 / other
            return replace(product, steps=(*product.steps, Step(what, value, out.shape)))
    return replace(product, changed=name)


def _worst(found: Attention, out: Tensor, every: bool) -> float:
    """Largest difference of the network's softmax from what is kept, among the picture's places, beyond rounding.

    Energies are rounded to a part in 2**23 of their size, by the network as well: energies of a thousand make softmaxes
    that are only known to some 1e-4.

    Args:
        found: What is kept.
        out: The network's softmax, (..., N, M).
        every: Whether all rows are compared, instead of some.
    """
    layout, own = found.layout, found.kept
    if own is None or layout.query_rows is None or layout.key_rows is None:
        return 0.0
    query, key = own.query.flatten(0, 1), own.key.flatten(0, 1)
    others = 0 if own.other_key is None else own.other_key.shape[2]
    keys = key if own.other_key is None else torch.cat([own.other_key.flatten(0, 1), key], 1)
    count = query.shape[1]
    rows = torch.arange(count) if every else torch.linspace(0, count - 1, min(count, _ROWS_CHECKED)).long()
    flat = out.reshape(-1, out.shape[-1])
    own_rows, columns = layout.query_rows.flatten(0, 1), layout.key_rows.flatten(0, 1) % out.shape[-1]
    worst = 0.0
    for part in rows.to(out.device).split(256):
        energy = query[:, part] @ keys.transpose(-1, -2)
        ours = energy.softmax(-1)[..., others:]
        theirs = flat[own_rows[:, part]].float()  # (B * heads, rows, M), of the window that each row is in
        shares = theirs.gather(-1, columns.unsqueeze(1).expand(-1, len(part), -1))
        if layout.windows is not None:
            apart = layout.windows[0][part].unsqueeze(-1) != layout.windows[1]
            shares = shares.masked_fill(apart, 0.0)
        rounding = 2 * torch.finfo(torch.float32).eps * float(energy.masked_fill(energy < -_SEPARATED, 0).abs().max())
        worst = max(worst, float((ours - shares).abs().max()) - rounding)
    return worst
