"""What an explanation is made of: frozen, plain NumPy data, no torch.

Shapes are (rows, columns); grids are the network's own locations ("cells"), never upsampled here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from attnviz.attention_results import (
    AttentionMap,
    ChannelAttention,
    ChannelGate,
    FloatArray,
    GroupGates,
    StageAttention,
)
from attnviz.errors import OptionError, quoted
from attnviz.inputs.geometry import Geometry
from attnviz.inputs.preprocess import Preprocessing, reduced_size
from attnviz.inputs.receptive_field import ReceptiveField
from attnviz.module_steps import ModuleSteps, follow
from attnviz.position_attention import PositionAttention, attention_named, attention_title

if TYPE_CHECKING:
    from attnviz.measure.focus_table import FocusTable
    from attnviz.render.figure import NotebookFigure

__all__ = [
    "AttentionMap",
    "ByteArray",
    "ChannelAttention",
    "ChannelGate",
    "Explanation",
    "FloatArray",
    "GroupGates",
    "LabelArray",
    "ModelInfo",
    "Prediction",
    "Segmentation",
    "StageAttention",
    "received_map",
]

ByteArray = NDArray[np.uint8]
LabelArray = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True)
class Prediction:
    """What the network takes the photo for.

    Attributes:
        category: Its name.
        probability: Of the softmax over all categories, in [0, 1].
    """

    category: str
    probability: float


@dataclass(frozen=True, eq=False)
class Segmentation:
    """Predicted classes, by each of DANet's three classifiers.

    Attributes:
        categories: Names of the classes, in the order of their numbers.
        labels: ``"fused"``, ``"position"``, ``"channel"`` -> uint8 (H, W), at the size the network saw; uint16 where
            there are more than 256 classes.
        cells: The fused classes on the grid of the attention, (h, w), of the same type.
    """

    categories: tuple[str, ...]
    labels: Mapping[str, LabelArray]
    cells: LabelArray

    def shares(self, head: str = "fused") -> dict[str, float]:
        """Share of the picture of each class that occurs, largest first, in (0, 1]."""
        counts = np.bincount(self.labels[head].ravel(), minlength=len(self.categories))
        order = np.argsort(-counts, kind="stable")
        return {self.categories[i]: float(counts[i] / counts.sum()) for i in order if counts[i]}


@dataclass(frozen=True)
class ModelInfo:
    """Which network and which weights made an explanation.

    Attributes:
        name: Of the weights, as in `attnviz.list_models`, or of their file.
        architecture: For people.
        task: ``"classification"`` or ``"segmentation"``.
        sha256: Of the weights' file; None where they are random or came as a network.
        trained: False: random weights, and every picture says so.
        device: Where the network ran.
    """

    name: str
    architecture: str
    task: str
    sha256: str | None
    trained: bool
    device: str


@dataclass(frozen=True, eq=False)
class Explanation:
    """Everything one forward pass showed about one photo.

    Attributes:
        photo: The whole photo, RGB uint8 (H, W, 3), upright.
        network_image: The pixels the network saw, RGB uint8 (h, w, 3), before mean and std.
        geometry: Exact map between photo pixels, network pixels and cells.
        preprocessing: How the photo became the network's input: enough to do it again.
        model: The network and its weights.
        predictions: Most probable categories first; empty for segmentation.
        stages: One entry per BAM, in order; empty where the network has none.
        positions: Label -> position attention, all its heads in one; DANet has one, ``"position"``.
        cross_attentions: Label -> position attention whose queries are other places than its keys, or no places at all
            (object queries of a detector).
        channel: Attention between channels; present for DANet.
        channel_gates: Label -> one number per channel (SE, CBAM).
        group_gates: Label -> one map per group of channels (SGE).
        segmentation: Present for networks that segment.
        other_maps: Spatial maps of other attention modules (CBAM, SGE ...).
        receptive_fields: Label of a map, or of another site -> what its cells see of the network image; those of which
            that is known.
        modules: Label of an attention module -> the tensors inside it; empty where `explain` was not asked for them.
        seconds: Stage of the work -> wall-clock seconds.

    Example:
        >>> import attnviz
        >>> explanation = attnviz.explain("assets/coffee.jpg", "bam_resnet18_w32", device="cpu")
        >>> explanation.predictions[0].category
        'espresso'
        >>> list(explanation.maps)[-2:]
        ['stage3.spatial_logit', 'stage3.gain']
    """

    photo: ByteArray
    network_image: ByteArray
    geometry: Geometry
    preprocessing: Preprocessing
    model: ModelInfo
    predictions: tuple[Prediction, ...] = ()
    stages: tuple[StageAttention, ...] = ()
    positions: Mapping[str, PositionAttention] = field(default_factory=dict)
    cross_attentions: Mapping[str, PositionAttention] = field(default_factory=dict)
    channel: ChannelAttention | None = None
    channel_gates: Mapping[str, ChannelGate] = field(default_factory=dict)
    group_gates: Mapping[str, GroupGates] = field(default_factory=dict)
    segmentation: Segmentation | None = None
    other_maps: tuple[AttentionMap, ...] = ()
    receptive_fields: Mapping[str, ReceptiveField] = field(default_factory=dict)
    modules: Mapping[str, ModuleSteps] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def maps(self) -> dict[str, AttentionMap]:
        """Every two-dimensional map by its label, in order of depth."""
        found = [m for stage in self.stages for m in (stage.spatial_logit, stage.gain)]
        attentions = {**self.positions, **self.cross_attentions}
        found += [received_map(label, position) for label, position in attentions.items()]
        return {m.label: m for m in (*found, *self.other_maps)}

    @property
    def position(self) -> PositionAttention | None:
        """The first position attention, or None: a short way to it where there is one."""
        return next(iter(self.positions.values()), None)

    def attention(self, label: str) -> PositionAttention:
        """A position attention by its label, or with ``.head0``, ``.head1`` ... after it one of its heads alone.

        Raises:
            OptionError: There is no such attention or head.

        Example:
            >>> import attnviz
            >>> explanation = attnviz.explain("assets/coffee.jpg", "danet_resnet18_w32_camvid", device="cpu", size=64)
            >>> explanation.attention("position").grid
            (8, 12)
        """
        return attention_named(self.positions, label)

    def inside(self, site: str, at: tuple[int, int] | None = None) -> ModuleSteps:
        """What happens inside one attention module, step by step; prints as a table.

        Args:
            site: Label of the module (``"stage3"``, ``"position"``, ``"stage1.block2"``) or of one of its maps.
            at: (row, column) of a location to follow through it; None: the middle.

        Returns:
            Every tensor with its formula, shape and range. Of an attention that was found in somebody's own network
            only what is known of it.

        Raises:
            OptionError: There is no such module or location, or the photo was explained without ``inside=True``.

        Example:
            >>> import attnviz
            >>> explanation = attnviz.explain("assets/coffee.jpg", "bam_resnet18_w32", device="cpu", inside=True)
            >>> [step.symbol for step in explanation.inside("stage3", at=(4, 6))][-3:]
            ['z', 'M', "F'"]
        """
        label = next((name for name in (site, site.rpartition(".")[0]) if name in self.modules), None)
        if label is None:
            hint = "" if self.modules else "; explain(..., inside=True) keeps what happens inside modules"
            known = ", ".join(self.modules) or "none"
            raise OptionError(f"expected an attention module of {known}, got {quoted(site)}{hint}")
        return follow(self.modules[label], self.positions.get(label), at)

    @property
    def detail_size(self) -> tuple[int, int]:
        """(height, width) in pixels that the photo was reduced to before it was enlarged to the network's input."""
        return reduced_size(self.geometry.network_size, self.preprocessing.detail)

    def overlay(self, label: str, **options: Any) -> ByteArray:
        """The whole photo with one map over it, as in the figure, at the photo's own size.

        Args:
            label: Of one of `maps`; or ``"segmentation"``, ``"gate:S:K"`` (gate of channel K after stage S),
                ``"channel:K"`` (output of the channel attention) or ``"row:N"`` and ``"column:N"`` (where pin number N
                looks, and who looks at it).
            **options: ``colormap``, ``map_opacity``, ``interpolation``, ``scaling`` (``"shared"``: with all maps of the
                same quantity) and ``pins``, as in `attnviz.render.figure_options.FigureOptions`.

        Returns:
            RGB uint8 (H, W, 3); where the network did not see the photo, the photo.

        Raises:
            OptionError: There is no such map, or an option is impossible.

        Example:
            >>> import attnviz
            >>> explanation = attnviz.explain("assets/coffee.jpg", "bam_resnet18_w32", device="cpu")
            >>> picture = explanation.overlay("stage3.gain", colormap="magma", map_opacity=0.5)
            >>> picture.shape == explanation.photo.shape
            True
        """
        from attnviz.render.figure_options import FigureOptions
        from attnviz.render.pictures import map_over_photo

        return map_over_photo(self, label, FigureOptions.of(options))

    def focus(
        self, *, box: tuple[float, float, float, float] | None = None, mask: NDArray[np.bool_] | None = None
    ) -> "FocusTable":
        """How focused each map is, beside a map that is the same everywhere and one that knows only the middle.

        Args:
            box: (left, top, right, bottom) of an object in photo pixels: how well the maps find it is measured too.
            mask: bool (H, W) of the photo's size, True on the object. Of box and mask one at most.

        Returns:
            The numbers, by map and name; `attnviz.measure.definitions.FOCUS` says what each means. It prints as a
            table.

        Raises:
            InputError: Both are given, or a mask of another size or dtype.
            OptionError: The box is not finite or empty.

        Example:
            >>> import attnviz
            >>> explanation = attnviz.explain("assets/coffee.jpg", "bam_resnet18_w32", device="cpu")
            >>> stage3 = explanation.focus()[-1]
            >>> 0 <= stage3.values["half_mass_area"] <= stage3.baselines["uniform"]["half_mass_area"] == 0.5
            True
        """
        from attnviz.measure.focus_table import focus_of

        return focus_of(self, box=box, mask=mask)

    def figure(self, *, photo_name: str | None = None, **options: Any) -> "NotebookFigure":
        """The figure with its labelled panels, raw ranges and colour bars, to show, to change or to save.

        Args:
            photo_name: For heading and caption.
            **options: Those of `attnviz.render.figure_options.FigureOptions`: ``panels``, ``columns``, ``width_mm`` ...

        Returns:
            A `matplotlib.figure.Figure` of its own, unknown to pyplot; a notebook shows it.

        Raises:
            OptionError: A panel or option does not exist or is impossible.

        Example:
            >>> import attnviz
            >>> explanation = attnviz.explain("assets/coffee.jpg", "bam_resnet18_w32", device="cpu")
            >>> figure = explanation.figure(panels=("photo", "stage3.gain"), width_mm=85, dpi=100)
            >>> figure.get_size_inches().round(1).tolist()
            [3.4, 1.8]
        """
        from attnviz.render.figure import build_figure, plan_figure
        from attnviz.render.figure_options import FigureOptions

        return build_figure(plan_figure(self, FigureOptions.of(options), photo_name=photo_name))

    def save(
        self,
        folder: str | PathLike[str],
        formats: Iterable[str] = ("png", "pdf", "svg", "npz"),
        *,
        photo: str | PathLike[str] | None = None,
        evidence: Any = None,  # noqa: ANN401 - an attnviz.Evidence; its room stands later
        **options: Any,
    ) -> list[Path]:
        """Write figure, maps and the recipe that makes them again: whole files, or none.

        Args:
            folder: Created where it is missing; files of an earlier call are replaced.
            formats: Any of ``"png"``, ``"pdf"``, ``"svg"`` (the figure), ``"npz"`` (everything as raw arrays),
                ``"gif"``, ``"webp"`` (stage after stage) and ``"html"`` (the viewer in one file).
            photo: The photo's file, for the heading and so that ``attnviz replay`` finds it; None: not told.
            evidence: From `attnviz.evidence` of the same photo: its files lie beside, the viewer shows it too.
            **options: As for `figure`.

        Returns:
            The paths, ``manifest.json`` last.

        Raises:
            ExportError: The folder cannot be written to.
            ImageError: The photo's file cannot be read.
            OptionError: A format or option is unknown or impossible, or there are no stages to animate.

        Example:
            >>> import attnviz, tempfile
            >>> explanation = attnviz.explain("assets/coffee.jpg", "bam_resnet18_w32", device="cpu")
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     paths = explanation.save(folder, ["png", "npz"], photo="assets/coffee.jpg")
            >>> [path.name for path in paths]
            ['figure.png', 'maps.npz', 'manifest.json']
        """
        from attnviz.render.figure_options import FigureOptions
        from attnviz.save.export import export
        from attnviz.save.manifest import PhotoSource

        source = None if photo is None else PhotoSource.of(photo)
        return export(self, folder, formats, options=FigureOptions.of(options), source=source, evidence=evidence)

    def _repr_html_(self) -> str:
        """The interactive viewer, as a notebook shows it."""
        from attnviz.render.viewer.page import notebook_html  # only when shown: it brings the colour maps

        return notebook_html(self)


def received_map(label: str, position: PositionAttention) -> AttentionMap:
    """Mean attention received per location, as a map in shares of 1, of the position attention with that label."""
    heads = f" (mean of {position.heads} heads)" if position.heads > 1 else ""
    title = f"{attention_title(label)} · received{heads}"
    kind, bounds = "position_received", (0.0, 1.0)
    return AttentionMap(f"{label}.received", title, kind, position.received, "share", bounds, None, position.stride)
