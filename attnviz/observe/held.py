"""What a known pass takes hold of while the network runs, as little as can be; put in order when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from attnviz.errors import RecordError
from attnviz.observe.attention_products import Attention
from attnviz.observe.energies import kept_in_order
from attnviz.observe.gates import FoundGate, classified, without_expanded
from attnviz.observe.layouts import Layout


@dataclass(frozen=True)
class HeldGate:
    """A gate: a copy of its numbers, which are few, or soon changed by an activation in place.

    Attributes:
        value: The copy, as the network has it.
        grid: (h, w) of the features that it multiplies.
        batch: How many pictures.
    """

    value: Tensor
    grid: tuple[int, int]
    batch: int

    changed = False

    def made(self) -> FoundGate:
        """The gate."""
        return classified(self.value, self.grid, self.batch, frozenset())


@dataclass(frozen=True)
class HeldAttention:
    """A position attention whose places are in order: the network's own query and key, without their graph.

    PyTorch counts what is written into a tensor in place, by whichever of its views; a query or key into which
    something was written after it was held is never shown.

    Attributes:
        query: (..., N, c).
        key: (..., N, c).
        scale: Of their product.
        layout: Where the places are.
        versions: Of query and key, when they were held.
    """

    query: Tensor
    key: Tensor
    scale: float
    layout: Layout
    versions: tuple[int, int]

    @property
    def changed(self) -> bool:
        """Whether something was written into query or key since."""
        return (self.query._version, self.key._version) != self.versions

    def made(self) -> Attention:
        """The attention, in new memory.

        Raises:
            RecordError: Something was written into query or key since.
        """
        found = kept_in_order(self.query, self.key, self.scale, self.layout)
        if self.changed or found is None:  # also while they were copied, by another thread
            raise RecordError(
                "expected query and key as the forward pass left them, but they were written into since; "
                "read what was recorded before the network's tensors are changed"
            )
        return Attention(self.layout, found)


def hold_gate(args: Sequence[Any], at: int, batch: int) -> HeldGate:
    """The gate that is known to be an argument of a multiplication."""
    shape = args[1 - at].shape
    return HeldGate(without_expanded(args[at]).detach().clone(), (int(shape[2]), int(shape[3])), batch)


def hold_attention(args: Sequence[Any], kwargs: dict[str, Any], layout: Layout) -> HeldAttention | None:
    """The attention of a call that makes all of it at once, its layout being known; None where it is not plain."""
    if layout.prefix is None or layout.query_rows is None or len(args) < 3 or len(args) > 4:
        return None
    if kwargs.get("is_causal") or (args[3] if len(args) > 3 else kwargs.get("attn_mask")) is not None:
        return None
    query, key, shape = args[0], args[1], layout.query_rows.shape
    rows = shape[0] * shape[1] * (layout.prefix + shape[2])
    if query.shape != key.shape or query.numel() != rows * query.shape[-1] or query.is_inference():
        return None  # writing into a tensor of the inference mode is not counted
    scale = kwargs.get("scale")
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    return HeldAttention(query.detach(), key.detach(), scale, layout, (query._version, key._version))
