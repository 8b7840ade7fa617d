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

from attnviz.observe.criss_cross import crossing_difference, crossing_of
from attnviz.observe.energies import Kept, KeptName, Step, kept
from attnviz.observe.layouts import APART, Form, Layout, form_of, layout_of
from attnviz.observe.places import PRODUCTS, Numbers, Places
from attnviz.observe.products import Pair, Product, changed, of_einsum, of_matrices, side_by_side, spread
from attnviz.observe.shape_calls import tensors_in

_SEPARATED = APART / 2  # energies below it are of places that are kept apart
_ROWS_CHECKED = 32  # of each head's softmax, against what is kept
_MOVED = "permute"
_ABOUT = 0.1  # sums of a softmax are 1, within what half precision and dropout make of it
Layouts = dict[tuple[int, bool, Form], Layout]  # by number of the product's call, and whether it is turned


@dataclass(frozen=True)
class Attention:
    """A position attention that was found.

    Attributes:
        layout: Its heads and grids.
        kept: Its query and key; None where it is not shown.
        reason: Why it is not shown; empty where it is.
        calls: Numbers of the calls that made it.
        numel: How many numbers are kept of it, where it is shown.
        joined: Number of the call that put its energies side by side, of which each part multiplies other values; None
            where nobody did.
        again: Whether it is a further use of that softmax.
    """

    layout: Layout
    kept: Kept | None = None
    reason: str = ""
    calls: frozenset[int] = field(default=frozenset())
    numel: int = 0
    joined: int | None = None
    again: bool = False

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
        self._last: tuple[Pair, int, Layout] | None = None  # of the attention before: places, queries, layout
        self._products = WeakTensorKeyDictionary()
        self._softmaxes = WeakTensorKeyDictionary()
        self._used: set[int] = set()  # joined attentions that were told already

    def finished(self, number: int, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Attention | None:
        """The attention that a call completes: a softmax times a third tensor, or all of it at once."""
        if name == "scaled_dot_product_attention":
            return self._at_once(number, args, kwargs)
        if name not in PRODUCTS:
            return None
        found: Attention | None = next((self._softmaxes[a] for a in tensors_in(args) if a in self._softmaxes), None)
        if found is None or found.joined is None:
            return found
        again = found.joined in self._used
        self._used.add(found.joined)
        return replace(found, again=again)

    def is_softmax(self, tensor: Tensor) -> bool:
        """Whether a tensor is the softmax of a position attention that is followed."""
        return tensor in self._softmaxes

    def note(self, number: int, name: str, args: Sequence[Any], kwargs: dict[str, Any], outs: Sequence[Tensor]) -> None:
        """Remember what a call made of products and their softmaxes."""
        tensors = tensors_in(args)
        if not tensors or not outs:
            return
        out = outs[0]
        source = next((tensor for tensor in tensors if tensor in self._products), None)
        if source is None:
            self._note_others(number, name, args, kwargs, outs)
            return
        product: Product = self._products[source]
        made: Product | None
        if name in PRODUCTS and out.shape[-2:] == source.shape[-2:]:
            made = replace(product, changed=name, joined=())  # mixed between heads
        elif name in PRODUCTS:
            made = self._product(number, name, args, kwargs)
        elif name == "softmax":
            dim = args[1] if len(args) > 1 else kwargs.get("dim", -1)
            found = self._softmaxed(product, out, dim)
            if found is not None:
                self._softmaxes[out] = replace(found, calls=product.calls | {number})
            return
        else:
            dim = args[1] if len(args) > 1 and isinstance(args[1], int) else kwargs.get("dim", 0)
            every = [self._products[t] for t in tensors if t in self._products]
            beside = side_by_side(number, name, every, dim, out) if len(every) == len(tensors) else None
            made = beside or changed(product, name, args, kwargs, source, out)
        if made is not None:
            self._products[out] = replace(made, calls=made.calls | product.calls | {number})

    def _note_others(
        self, number: int, name: str, args: Sequence[Any], kwargs: dict[str, Any], outs: Sequence[Tensor]
    ) -> None:
        """Remember what a call made that has no product among its arguments."""
        if name in PRODUCTS:
            made = self._product(number, name, args, kwargs)
            if made is not None:
                self._products[outs[0]] = made
            return
        followed: Attention | None = next((self._softmaxes[t] for t in tensors_in(args) if t in self._softmaxes), None)
        if followed is not None:
            for each in outs:
                self._softmaxes[each] = replace(followed, calls=followed.calls | {number})

    def _places_of(self, tensor: Tensor) -> Numbers | None:
        return None if self._places is None else self._places.of(tensor)

    def _product(self, number: int, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Product | None:
        own = tensors_in(args)
        if any(t in self._softmaxes for t in own):
            return None
        if name == "rmatmul":
            own = own[::-1]
        if name == "einsum":
            return of_einsum(number, args[0], own, tuple(map(self._places_of, own)))  # type: ignore[arg-type]
        left, right = own[-2:]
        if left.ndim < 3 or right.ndim != left.ndim:
            return None
        return of_matrices(number, name, own, (self._places_of(left), self._places_of(right)), kwargs)

    def _softmaxed(self, product: Product, out: Tensor, dim: int) -> Attention | None:
        dim = dim % out.ndim
        if product.joined:
            return self._crossed(product, out, dim)
        if not product.keeps_rows and out.numel() == product.shape.numel():
            out = product.put_back(out)
            sums = out.detach().sum(-1)
            dim = out.ndim - (1 if bool((sums - 1).abs().max() < _ABOUT) else 2)
        if dim == out.ndim - 2:
            product, out = product.transposed(), out.transpose(-1, -2)
        elif dim != out.ndim - 1:
            return None
        found = self._attention(product)
        if found.reason:
            return found
        if out.shape[-2:] == product.shape[-2:] and out.numel() == product.shape.numel():
            worst = _worst(found, out, every=bool(product.changed or product.steps))
            if worst <= _exactness(out):
                return found
        what = product.changed or next((_MOVED for move in product.moves if not move.leaves_rows), "something")
        return replace(found, kept=None, reason=f"{what} stands between product and softmax")

    def _crossed(self, product: Product, out: Tensor, dim: int) -> Attention:
        """Of energies with the own row and the own column side by side (criss-cross attention)."""
        first = product.joined[0]
        at = product.number, False, form_of(first.query, first.key)
        refusal = f"{product.changed} stands between product and softmax"
        if at not in self._layouts:
            self.strayed |= self._places is None
            crossed = dim == out.ndim - 1 and product.changed == "cat" and not product.moves
            self._layouts[at] = crossing_of(product, out, self._batch) if crossed else Layout(1, reason=refusal)
        layout = self._layouts[at]
        scales = tuple(step for step in (*first.steps, *product.steps) if step.what == "mul")
        found = layout.reason or kept(first.query, first.key, scales, layout)
        refused = Attention(layout, reason=refusal, calls=product.calls, numel=_numel(first), joined=product.number)
        if isinstance(found, str) or layout.crossing is None:
            return replace(refused, reason=layout.reason or refusal)
        same = crossing_difference(layout.crossing, found, out) <= _exactness(out)
        return replace(refused, kept=found, reason="") if same else refused

    def _at_once(self, number: int, args: Sequence[Any], kwargs: dict[str, Any]) -> Attention:
        names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        query, key, mask, scale = given["query"], given["key"], given.get("attn_mask"), given.get("scale")
        places = self._places_of(query), self._places_of(key)
        if given.get("enable_gqa") and key.ndim == query.ndim == 4:
            times = query.shape[1] // key.shape[1]
            key = key.repeat_interleave(times, dim=1)
            places = places[0], places[1] and replace(places[1], of=places[1].of.repeat_interleave(times, dim=1))
        query, key, places = spread(query, key, places)
        shape = torch.Size((*query.shape[:-1], key.shape[-2]))
        steps = [Step("mul", 1 / math.sqrt(query.shape[-1]) if scale is None else scale, shape)]
        if given.get("is_causal"):
            mask = torch.ones(shape[-2:], dtype=torch.bool, device=query.device).tril()
        if mask is not None and mask.dtype == torch.bool:
            mask = torch.zeros_like(mask, dtype=torch.float32).masked_fill(~mask, -math.inf)
        if mask is not None:
            steps.append(Step("add", mask, shape))
        return self._attention(Product(query, key, number, places, tuple(steps), calls=frozenset({number})))

    def _layout_of(self, places: Pair, count: int) -> Layout:
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


def _exactness(softmax: Tensor) -> float:
    """How far what is kept may be from a softmax."""
    return 1e-5 if softmax.dtype in {torch.float32, torch.float64} else 1e-2


def _numel(product: Product) -> int:
    """How many numbers are kept of a product, from its shapes alone."""
    query, key = product.query.shape, product.key.shape
    has_bias = any(step.what == "add" and isinstance(step.value, Tensor) for step in product.steps)
    windows = 2 * (math.prod(query[:-2]) - 1).bit_length()  # at most; what sets them apart
    width = query[-1] + (key[-2] if has_bias else 0) + windows
    return int(math.prod(query[:-2]) * (query[-2] + key[-2]) * width)


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
