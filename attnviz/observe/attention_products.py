"""Position attention: a softmax over the product of two tensors that then multiplies a third; query and key are kept.

The product itself is only looked at while the network holds it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from attnviz.observe.token_grid import FRESH as _FRESH
from attnviz.observe.token_grid import Tokens, concatenated, followed, of_feature_map, permutation

PRODUCTS = {"matmul", "bmm", "baddbmm", "einsum", "rmatmul"}
_ROWS_CHECKED = 32  # of each head's softmax, against what is kept
_KEEPS_PLACES = {"contiguous", "clone", "to", "type_as", "float", "dropout", "view", "reshape", "unsqueeze", "squeeze"}


@dataclass(frozen=True)
class Product:
    """The energies of a position attention on their way to the softmax.

    Attributes:
        query: (..., N, c).
        key: (..., M, c).
        query_tokens: Where the query's locations are.
        key_tokens: Where the key's locations are.
        scales: What the product was multiplied with.
        changed: How it was changed otherwise; empty where it was not.
    """

    query: Tensor
    key: Tensor
    query_tokens: Tokens | None
    key_tokens: Tokens | None
    scales: tuple[Any, ...] = ()
    changed: str = ""


@dataclass(frozen=True)
class Attention:
    """A position attention that was found.

    Attributes:
        query: (B, heads, c, h, w), its scale folded in; None where it is not shown.
        key: (B, heads, c, h, w).
        grid: (h, w), or None.
        heads: How many.
        reason: Why it is not shown; empty where it is.
        other_query: (B, heads, c, P) of the tokens that are no places, those before the places first; None without any.
        other_key: Likewise.
    """

    query: Tensor | None
    key: Tensor | None
    grid: tuple[int, int] | None
    heads: int
    reason: str
    other_query: Tensor | None = None
    other_key: Tensor | None = None


class AttentionWatch:
    """Follows products of two tensors through one forward pass, and where in each tensor the picture's places are."""

    def __init__(self, x: Tensor) -> None:
        self._batch = int(x.shape[0])
        self._tokens = WeakTensorKeyDictionary()
        self._products = WeakTensorKeyDictionary()
        self._softmaxes = WeakTensorKeyDictionary()
        self._tokens[x] = of_feature_map(x)

    def finished(self, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Attention | None:
        """The attention that a call completes: a softmax times a third tensor, or all of it at once."""
        if name == "scaled_dot_product_attention":
            return self._at_once(args, kwargs)
        if name in PRODUCTS:
            return next((self._softmaxes[a] for a in _tensors(args) if a in self._softmaxes), None)
        return None

    def is_softmax(self, tensor: Tensor) -> bool:
        """Whether a tensor is the softmax of a position attention that is followed."""
        return tensor in self._softmaxes

    def note(self, name: str, args: Sequence[Any], kwargs: dict[str, Any], outs: Sequence[Tensor]) -> None:
        """Remember what a call made of tokens, products and their softmaxes."""
        tensors = _tensors(args)
        if not tensors or not outs:
            return
        self._note_tokens(name, args, kwargs, tensors, outs)
        out, source = outs[0], tensors[0]
        product = self._products.get(source)
        if product is None and len(tensors) > 1:
            source, product = next(((t, self._products[t]) for t in tensors if t in self._products), (source, None))
        if name in PRODUCTS:
            made = self._product(name, args, kwargs, out)
            if made is not None:
                self._products[out] = made
        elif name == "softmax" and product is not None:
            dim = args[1] if len(args) > 1 else kwargs.get("dim", -1)
            found = self._softmaxed(product, out, dim)
            if found is not None:
                self._softmaxes[out] = found
        elif product is not None:
            changed = _changed(product, name, args, kwargs, source, out)
            if changed is not None:
                self._products[out] = changed
        elif source in self._softmaxes:
            self._softmaxes[out] = self._softmaxes[source]

    def _note_tokens(
        self, name: str, args: Sequence[Any], kwargs: dict[str, Any], tensors: list[Tensor], outs: Sequence[Tensor]
    ) -> None:
        if name in _FRESH:
            self._tokens[outs[0]] = of_feature_map(outs[0])
        elif name == "cat":
            self._tokens[outs[0]] = concatenated([self._tokens.get(t) for t in tensors], args, kwargs)
        elif name not in PRODUCTS:
            for source in tensors:
                tokens = self._tokens.get(source)
                if tokens is not None:
                    for out in outs:
                        self._tokens[out] = followed(tokens, name, (source, *args[1:]), kwargs, out)
                    break
            else:
                return
        elif (
            name in {"matmul", "rmatmul"} and tensors[0] in self._tokens and len(tensors) == 2 and tensors[1].ndim == 2
        ):
            tokens = self._tokens[tensors[0]]
            self._tokens[outs[0]] = tokens and followed(tokens, name, (tensors[0],), {}, outs[0])

    def _product(self, name: str, args: Sequence[Any], kwargs: dict[str, Any], out: Tensor) -> Product | None:
        if name == "einsum":
            return self._einsum(args)
        own = [a for a in args if isinstance(a, Tensor)]
        left, right = (own[1], own[0]) if name == "rmatmul" else (own[-2], own[-1])
        if (
            len(own) < 2
            or left.ndim < 3
            or right.ndim != left.ndim
            or left in self._softmaxes
            or right in self._softmaxes
        ):
            return None
        made = Product(left, right.transpose(-1, -2), self._at(left, -2), self._at(right, -1))
        if name == "baddbmm":
            alpha, beta = kwargs.get("alpha", 1), kwargs.get("beta", 1)
            made = replace(made, scales=(alpha,), changed="baddbmm" if beta else "")
        return made

    def _einsum(self, args: Sequence[Any]) -> Product | None:
        own = _tensors(args)
        if not isinstance(args[0], str) or len(own) != 2 or any(t in self._softmaxes for t in own):
            return None
        sides, arrow, result = args[0].replace(" ", "").partition("->")
        one, _, other = sides.partition(",")
        if not arrow or "." in sides or len(result) < 3:
            return None
        lead, n, m = result[:-2], result[-2], result[-1]
        if n not in one:
            one, other, own = other, one, own[::-1]
        summed = set(one) & set(other) - set(result)
        if (
            len(summed) != 1
            or n in other
            or m in one
            or set(one) - summed - {n} != set(lead)
            or set(other) - summed - {m} != set(lead)
        ):
            return None
        c = summed.pop()
        query, key = torch.einsum(f"{one}->{lead}{n}{c}", own[0]), torch.einsum(f"{other}->{lead}{m}{c}", own[1])
        return Product(
            query, key, self._at(own[0], one.index(n) - len(one)), self._at(own[1], other.index(m) - len(other))
        )

    def _at(self, tensor: Tensor, dim: int) -> Tokens | None:
        """The tokens of a tensor where they lie along one dimension, counted from the end."""
        tokens: Tokens | None = self._tokens.get(tensor)
        return tokens if tokens is not None and tokens.flat and tokens.dim == tensor.ndim + dim else None

    def _softmaxed(self, product: Product, out: Tensor, dim: int) -> Attention | None:
        dim = dim % out.ndim
        if dim == out.ndim - 2:
            product = replace(
                product,
                query=product.key,
                key=product.query,
                query_tokens=product.key_tokens,
                key_tokens=product.query_tokens,
            )
            out = out.transpose(-1, -2)
        elif dim != out.ndim - 1:
            return None
        found = self._attention(product)
        if found.query is None or found.key is None:
            return found
        worst = _worst(found, product, out)
        limit = 1e-5 if out.dtype == torch.float32 else 1e-2
        if worst <= limit:
            return found
        what = product.changed or "something"
        return replace(found, query=None, key=None, reason=f"{what} stands between product and softmax")

    def _at_once(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Attention:
        names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        query, key = given["query"], given["key"]
        scale = given.get("scale")
        if given.get("enable_gqa") and key.ndim == query.ndim == 4:
            key = key.repeat_interleave(query.shape[1] // key.shape[1], dim=1)
        masked = given.get("attn_mask") is not None or bool(given.get("is_causal"))
        product = Product(
            query,
            key,
            self._at(query, -2),
            self._at(given["key"], -2),
            (1 / math.sqrt(query.shape[-1]) if scale is None else scale,),
        )
        found = self._attention(product)
        if masked and not found.reason:
            return replace(found, query=None, key=None, reason="a mask or bias stands between product and softmax")
        return found

    def _attention(self, product: Product) -> Attention:
        """What is kept of a product: its heads apart, its other tokens left out, its scale folded in."""
        query, key, tokens = product.query, product.key, product.query_tokens
        count = math.prod(query.shape[:-2])
        heads = max(1, count // self._batch)
        reason = ""
        if tokens is None:
            reason = "no grid of the picture was found in it"
        elif product.key_tokens != tokens and (
            product.key_tokens is None or replace(product.key_tokens, dim=tokens.dim) != tokens
        ):
            reason = "query and key are not of the same places"
        elif count % self._batch or math.prod(key.shape[:-2]) != count:
            reason = "query and key are not of the same number of heads"
        if reason or tokens is None:
            return Attention(None, None, None if tokens is None else tokens.grid, heads, reason)
        for scale in product.scales:
            query = query * scale
        kept, others = [], []
        end = tokens.before + math.prod(tokens.grid)
        for tensor in (query, key):
            whole = tensor.detach().reshape(self._batch, heads, *tensor.shape[-2:]).transpose(-1, -2).float()
            kept.append(whole[..., tokens.before : end].reshape(*whole.shape[:3], *tokens.grid).clone())
            others.append(torch.cat([whole[..., : tokens.before], whole[..., end:]], dim=-1))
        if not others[0].shape[-1]:
            return Attention(kept[0], kept[1], tokens.grid, heads, "")
        return Attention(kept[0], kept[1], tokens.grid, heads, "", others[0], others[1])


def _changed(
    product: Product, name: str, args: Sequence[Any], kwargs: dict[str, Any], source: Tensor, out: Tensor
) -> Product | None:
    """The product after one more call; None where it is no product any more."""
    order = permutation(name, args, kwargs)
    if order is not None:
        last = source.ndim - 1
        if order == [*range(last - 1), last, last - 1]:
            return replace(
                product,
                query=product.key,
                key=product.query,
                query_tokens=product.key_tokens,
                key_tokens=product.query_tokens,
            )
        return product if order == list(range(source.ndim)) else None
    if out.shape[-2:] != source.shape[-2:]:
        return None
    if name in _KEEPS_PLACES:
        return product if out.numel() == source.numel() else None
    if name in {"mul", "multiply", "div", "true_divide", "divide"} and len(args) > 1:
        other = args[1] if args[0] is source else args[0]
        if (
            not isinstance(other, Tensor)
            or other.numel() == 1
            or (other.shape[-2:] == (1, 1) and other.ndim <= product.query.ndim)
        ):
            folded = other.detach() if isinstance(other, Tensor) else other
            return replace(product, scales=(*product.scales, folded if name.startswith("mul") else 1 / folded))
    return replace(product, changed=name)


def _worst(found: Attention, product: Product, out: Tensor) -> float:
    """Largest difference of some rows of the network's softmax from what is kept, among the picture's places."""
    tokens = product.query_tokens
    if found.query is None or found.key is None or tokens is None:
        return 0.0
    query, key = (t.flatten(0, 1).flatten(2) for t in (found.query, found.key))
    count = query.shape[-1]
    rows = torch.arange(count) if product.changed else torch.linspace(0, count - 1, min(count, _ROWS_CHECKED)).long()
    rows = rows.to(out.device)
    places = slice(tokens.before, tokens.before + count)
    worst = 0.0
    for part in rows.split(256):
        own = out.reshape(-1, *out.shape[-2:])[:, part + tokens.before, places].float()
        ours = (query[:, :, part].transpose(1, 2) @ key).softmax(-1)
        shares = own / own.sum(-1, keepdim=True).clamp_min(1e-12)
        worst = max(worst, float((ours - shares).abs().max()))
    return worst


def _tensors(args: Sequence[Any]) -> list[Tensor]:
    flat = [b for a in args for b in (a if isinstance(a, (list, tuple)) else (a,))]
    return [a for a in flat if isinstance(a, Tensor)]
