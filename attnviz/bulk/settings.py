"""What a run over many photos is asked for, the same for all of them."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from attnviz.errors import OptionError, one_line, quoted
from attnviz.inputs.preprocess import Preprocessing, ResizeMode

if TYPE_CHECKING:
    from attnviz.models.precision import Precision
    from attnviz.models.weights.card import ModelCard  # with torch, which what reads photos does without
    from attnviz.models.weights.registry import LoadedModel

PrecisionChoice = Literal["float32", "bfloat16", "auto"]
PRECISION_CHOICES: tuple[PrecisionChoice, ...] = get_args(PrecisionChoice)
BulkFormat = Literal["parquet", "npz", "png", "webp"]
BULK_FORMATS: tuple[BulkFormat, ...] = get_args(BulkFormat)
PICTURES: tuple[BulkFormat, ...] = ("png", "webp")
PHOTOS_PER_PART = 256  # rows of one Parquet file: what is done again at most after an interruption, for each in work
MOST_AT_ONCE = 1024


@dataclass(frozen=True, kw_only=True)
class BulkSettings:
    """What to make of every photo.

    Attributes:
        formats: ``"parquet"``: one table of all photos; ``"npz"``: all arrays of each photo in a file; ``"png"``,
            ``"webp"``: its maps side by side over the photo, in a file.
        model: Name of the weights or path of a checkpoint.
        device: As for `attnviz.explain`.
        size: Shorter side that the network sees, pixels; None: as trained.
        resize_mode: As for `attnviz.explain`.
        top: Predictions to keep, at least 1.
        batch: Photos in one forward pass, 1 to 1024; None: by the size of what the network sees.
        part: Photos in one Parquet file.
        precision: What the network's trunk computes in, see `attnviz.models.precision`; ``"auto"``: bfloat16 where the
            hardware multiplies it.

    Raises:
        OptionError: A number or a name out of its range.
    """

    formats: tuple[BulkFormat, ...] = ("parquet",)
    model: str
    device: str = "auto"
    size: int | None = None
    resize_mode: ResizeMode = "keep"
    top: int = 5
    batch: int | None = None
    part: int = PHOTOS_PER_PART
    precision: PrecisionChoice = "float32"

    def __post_init__(self) -> None:
        """Check every number and name."""
        object.__setattr__(self, "formats", checked_bulk_formats(self.formats))
        if self.top < 1:
            raise OptionError(f"expected at least 1 prediction, got top={self.top}")
        if self.batch is not None and not 1 <= self.batch <= MOST_AT_ONCE:
            raise OptionError(f"expected a batch of 1 to {MOST_AT_ONCE} photos, got {self.batch}")
        if self.part < 1:
            raise OptionError(f"expected at least 1 photo in a file of the table, got {self.part}")
        if self.precision not in PRECISION_CHOICES:
            raise OptionError(
                f"expected precision to be one of {', '.join(PRECISION_CHOICES)}, got {quoted(self.precision)}"
            )

    @property
    def draws(self) -> bool:
        """Whether pictures are made, which need the photo besides what the network saw."""
        return any(name in PICTURES for name in self.formats)

    def preprocessing(self, card: "ModelCard") -> Preprocessing:
        """The model's own, with the size and mode that were asked for."""
        own = card.preprocessing
        return replace(own, size=own.size if self.size is None else self.size, resize_mode=self.resize_mode)

    def precision_for(self, loaded: "LoadedModel") -> "Precision":
        """What a network's trunk computes in.

        Raises:
            OptionError: Bfloat16 was asked for, and which parts of the network attend is not known.
        """
        from attnviz.models.precision import best_precision, has_known_parts

        if has_known_parts(loaded):
            return best_precision(loaded.device) if self.precision == "auto" else self.precision
        if self.precision == "bfloat16":
            raise OptionError(
                f"expected precision float32 for {one_line(loaded.card.name)}, got bfloat16: attention stays in "
                "float32, and which parts of a network of one's own attend is not known"
            )
        return "float32"

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self) | {"formats": list(self.formats)}


def checked_bulk_formats(formats: Iterable[str]) -> tuple[BulkFormat, ...]:
    """The formats, each once, in the order of `BULK_FORMATS`.

    Raises:
        OptionError: One of them is unknown, or there are none.
    """
    wanted = list(formats)
    for name in wanted:
        if name not in BULK_FORMATS:
            raise OptionError(f"expected formats out of {', '.join(BULK_FORMATS)}, got {quoted(name)}")
    if not wanted:
        raise OptionError(f"expected at least one format out of {', '.join(BULK_FORMATS)}, got none")
    return tuple(name for name in BULK_FORMATS if name in wanted)
