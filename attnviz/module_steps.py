"""What happens inside one attention module, step by step: every tensor with its formula, as plain NumPy data."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from attnviz.attention_results import AttentionMap, ChannelGate, FloatArray
from attnviz.errors import OptionError
from attnviz.inputs.receptive_field import ReceptiveField
from attnviz.position_attention import PositionAttention

StepKind = Literal["features", "maps", "vector", "matrix", "row"]
Summary = Literal["norm", "mean", ""]
ROW_STEPS = (  # of a position attention: symbol, name and formula of what belongs to two locations
    ("X", "Energy of the location with every other", "Xᵢⱼ = Bᵢ · Cⱼ"),
    ("S", "Attention of the location", "Sᵢⱼ = exp Xᵢⱼ / Σⱼ exp Xᵢⱼ"),
)
_TITLES = ("tensor", "what it is", "formula", "shape", "range")


@dataclass(frozen=True, eq=False)
class Step:
    """One tensor inside a module.

    Attributes:
        symbol: As in the formulas, for example ``"s"``.
        name: For people, for example ``"Spatial logits"``.
        formula: How it is made of the tensors before it, for example ``"M = σ(z)"``; empty for what comes in.
        branch: ``"channel"`` or ``"spatial"`` where a module has two; ``""`` before and after them.
        kind: ``"features"`` (C, h, w) and ``"maps"`` (K, h, w): pictures over the grid; ``"vector"`` (C,);
            ``"matrix"`` (C, C); ``"row"`` of (N, N): of one location, h x w.
        shape: Of the whole tensor, without its batch.
        range: Its smallest and largest number, of the whole tensor; of a ``"row"`` those of the row.
        values: float32. Pictures (k, h, w); of a vector all its numbers; of a matrix all or the means of blocks of it.
        summary: ``"norm"`` (length over channels) or ``"mean"`` (over channels) where the first picture is of the whole
            tensor; the others are single channels.
        channels: Numbers of the channels of the other pictures.
        field: What its cells see of the network image; None: not followed, or the tensor has no cells.

    Example:
        >>> import attnviz
        >>> explanation = attnviz.explain("assets/coffee.jpg", "bam_resnet18_w32", device="cpu", inside=True)
        >>> step = explanation.inside("stage3")["M"]
        >>> step.formula, step.shape, step.values.shape
        ('M = σ(z)', (128, 8, 12), (9, 8, 12))
    """

    symbol: str
    name: str
    formula: str
    branch: str
    kind: StepKind
    shape: tuple[int, ...]
    range: tuple[float, float]
    values: FloatArray
    summary: Summary = ""
    channels: tuple[int, ...] = ()
    field: ReceptiveField | None = None

    def at(self, row: int, column: int) -> float | None:
        """The number of the first picture at a cell; None of what has no cells.

        Raises:
            OptionError: The cell is not one of the grid.
        """
        if self.kind in ("vector", "matrix"):
            return None
        rows, columns = self.values.shape[-2:]
        if not (0 <= row < rows and 0 <= column < columns):
            raise OptionError(f"expected a cell within {rows} x {columns} (rows x columns), got ({row}, {column})")
        return float(self.values[0, row, column])


@dataclass(frozen=True, eq=False)
class ModuleSteps(Sequence[Step]):
    """The steps of one module, in the order they are computed; prints as a table.

    Attributes:
        label: What its sites share, for example ``"stage3"`` or ``"stage1.block2"``.
        module: ``"BAM"``, ``"CBAM"``, ``"SE"``, ``"SGE"``, ``"PAM"``, ``"CAM"``; ``"gate"`` or ``"attention"`` where it
            is somebody else's and known only in part.
        steps: The tensors.
        stride: Input pixels per location.
        gamma: Weight of an attention's output in its residual sum; None of modules without one.
        picked: (row, column) of the location that a ``"row"`` is of, and whose numbers the table shows; None: none.

    Example:
        >>> import attnviz
        >>> explanation = attnviz.explain("assets/coffee.jpg", "bam_resnet18_w32", device="cpu", inside=True)
        >>> [step.symbol for step in explanation.inside("stage3")]
        ['F', 'p', 'h', 'c', 'R', 'D₁', 'D₂', 's', 'z', 'M', "F'"]
    """

    label: str
    module: str
    steps: tuple[Step, ...]
    stride: int
    gamma: float | None = None
    picked: tuple[int, int] | None = None

    def __getitem__(self, index: int | str) -> Step:  # type: ignore[override]
        """A step by its place or its symbol.

        Raises:
            OptionError: There is no such symbol.
        """
        if not isinstance(index, str):
            return self.steps[index]
        found = next((step for step in self.steps if step.symbol == index), None)
        if found is None:
            known = ", ".join(step.symbol for step in self.steps)
            raise OptionError(f"expected a tensor of {self.label}: {known}, got {index!r}")
        return found

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    @property
    def grid(self) -> tuple[int, int] | None:
        """Rows and columns of the module's locations; None where no step shows them."""
        grids = [step.values.shape[-2:] for step in self.steps if step.kind not in ("vector", "matrix")]
        return (int(grids[0][0]), int(grids[0][1])) if grids else None

    def table(self) -> list[tuple[str, ...]]:
        """A row of texts for each step, under a row of titles."""
        titles = _TITLES if self.picked is None else (*_TITLES, f"at row {self.picked[0]}, column {self.picked[1]}")
        return [titles, *(self._row(step) for step in self.steps)]

    def _row(self, step: Step) -> tuple[str, ...]:
        low, high = step.range
        shape = " × ".join(map(str, step.shape))
        texts = (step.symbol, step.name, step.formula or "-", shape, f"{low:.3g} to {high:.3g}")
        if self.picked is None:
            return texts
        value = step.at(*self.picked)
        here = "-" if value is None else f"{value:.3g}"
        return (*texts, f"{here} ({step.summary})" if step.summary and value is not None else here)

    def __str__(self) -> str:
        rows = self.table()
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join((f"{self.label} ({self.module})", *lines))

    __repr__ = __str__


def follow(known: ModuleSteps, position: PositionAttention | None, at: tuple[int, int] | None) -> ModuleSteps:
    """The steps with a location picked: of position attention its energies and its row are added.

    Args:
        known: As recorded.
        position: The position attention of the module; None of other modules.
        at: (row, column); None: the middle.

    Raises:
        OptionError: The location is not one of the grid.
    """
    grid = known.grid if position is None else position.grid
    if grid is None:
        return known
    row, column = (grid[0] // 2, grid[1] // 2) if at is None else at
    if not (0 <= row < grid[0] and 0 <= column < grid[1]):
        raise OptionError(f"expected a location within {grid[0]} x {grid[1]} (rows x columns), got ({row}, {column})")
    if position is None:
        return replace(known, picked=(row, column))
    before = [step for step in known.steps if step.symbol in ("A", "B", "C", "D")]
    after = known.steps[len(before) :]
    return replace(known, steps=(*before, *row_steps(position, row, column), *after), picked=(row, column))


def row_steps(position: PositionAttention, row: int, column: int) -> tuple[Step, Step]:
    """Energy and attention of one location with all others: the row of both N x N tensors that belongs to it.

    Args:
        position: The attention; of several heads, both are the mean over them.
        row: Of the location.
        column: Of the location.
    """
    heads, (rows, columns) = position.heads, position.key_grid
    query = position.query.reshape(heads, -1, *position.grid)[:, :, row, column]
    energy = np.einsum("hc,hcn->n", query, position.key.reshape(heads, -1, rows * columns)) / heads
    count = position.grid[0] * position.grid[1]
    share = position.row(row, column)

    def step(texts: tuple[str, str, str], values: FloatArray) -> Step:
        picture = np.asarray(values, dtype=np.float32).reshape(1, rows, columns)
        extent = (float(picture.min()), float(picture.max()))
        return Step(*texts, "", "row", (count, rows * columns), extent, picture)

    return step(ROW_STEPS[0], energy), step(ROW_STEPS[1], share)


def of_found(
    positions: Mapping[str, PositionAttention],
    gates: Iterable[AttentionMap | ChannelGate],
    fields: Mapping[str, ReceptiveField],
    around: Mapping[str, tuple[Step, ...]],
) -> dict[str, ModuleSteps]:
    """The modules of somebody else's network, known in part: of each attention and each gate what was found of it.

    Args:
        positions: Its position attentions.
        gates: Its gates.
        fields: What the cells of gates see, by label.
        around: What comes into a gate's multiplication and what goes out, by label.
    """
    found = {label: of_attention(label, position) for label, position in positions.items()}
    return found | {gate.label: of_gate(gate, fields.get(gate.label), around.get(gate.label, ())) for gate in gates}


def of_attention(label: str, position: PositionAttention) -> ModuleSteps:
    """What is known of somebody else's position attention: query and key, from which its rows are made."""
    channels = position.query.shape[-3] - position.extra
    own = (position.query[..., :channels, :, :], position.key[..., :channels, :, :])
    steps = tuple(
        Step(symbol, name, "", "", "maps", tuple(t.shape), (float(t.min()), float(t.max())), _norm(t), "norm")
        for symbol, name, t in zip("BC", ("Query of every location", "Key of every location"), own, strict=True)
    )
    weight = None if position.gamma == 1.0 else position.gamma  # 1 to the last digit stands for none
    return ModuleSteps(label, "attention", steps, position.stride, weight)


def of_gate(
    found: AttentionMap | ChannelGate, field: ReceptiveField | None = None, around: tuple[Step, ...] = ()
) -> ModuleSteps:
    """What is known of somebody else's gate: the features that it multiplies, the gate, and what comes out."""
    values = found.values
    kind: StepKind = "vector" if values.ndim == 1 else "maps"
    extent = (float(values.min()), float(values.max()))
    pictures = values if kind == "vector" else values[None]
    cells = None if kind == "vector" else field
    step = Step("M", found.title, "", "", kind, tuple(values.shape), extent, pictures, field=cells)
    return ModuleSteps(found.label, "gate", (*around[:1], step, *around[1:]), found.stride)


def _norm(tensor: FloatArray) -> FloatArray:
    """Length of query or key at every location, over channels and heads: (1, h, w)."""
    flat = tensor.reshape(-1, *tensor.shape[-2:])
    return np.asarray(np.linalg.norm(flat, axis=0)[None], dtype=np.float32)
