"""From a photo to a network's input, without losing what of the photo that was."""

import io
import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from attnviz.errors import ImageError, OptionError
from attnviz.inputs.files.limits import MOST_PIXELS
from attnviz.inputs.geometry import Geometry

if TYPE_CHECKING:
    from torch import Tensor

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # torchvision, transforms/_presets.py::ImageClassification
IMAGENET_STD = (0.229, 0.224, 0.225)
_LONGEST = 8  # long side at most this many times `size`: a panorama must not become an input of any length
ResizeMode = Literal["keep", "stretch", "center_crop"]
_RESIZE_MODES = get_args(ResizeMode)
_FILTER = Image.Resampling.BILINEAR


@dataclass(frozen=True)
class Preprocessing:
    """How a photo becomes a network's input.

    Attributes:
        size: Side in pixels: of the short side for ``"keep"``, of both sides otherwise.
        resize_mode: ``"keep"``: the whole photo, in its proportions but for the rounding of the sides; ``"stretch"``:
            the whole photo made square; ``"center_crop"``: the central square, the rest unseen.
        multiple: The sides are rounded to the nearest multiple of this, at least one; the network's largest stride.
        mean: Subtracted from the channels red, green, blue, in [0, 1].
        std: Divides them afterwards; positive.
        detail: Share of the input's sides that the photo is reduced to first, over 0 and up to 1. A network trained on
            pictures of 64 pixels enlarged to 128 knows no sharp pictures: 0.5 shows it what it knows.
        jpeg_quality: Quality of the JPEG that the reduced photo passes through, 1 to 100; None: it does not. A network
            trained on small JPEG files takes their artefacts for granted.
        aliased: Whether the photo is reduced as Tiny ImageNet's files were, by bicubic sampling without antialiasing.
            A network trained on them misses their crisp edges. The sampling starts from twice the sides that are
            wanted, reached with antialiasing, so that photos of all sizes are treated alike.

    Raises:
        OptionError: A number or name out of its range.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}  # of a card or a manifest that is read

    size: int
    resize_mode: ResizeMode = "keep"
    multiple: int = 32
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    detail: float = 1.0
    jpeg_quality: int | None = None
    aliased: bool = False

    def __post_init__(self) -> None:
        """Check every number, and make plain numbers and tuples of NumPy's and JSON's."""
        object.__setattr__(self, "mean", _three("mean", self.mean))
        object.__setattr__(self, "std", _three("std", self.std))
        for name in ("size", "multiple"):
            object.__setattr__(self, name, _positive(name, getattr(self, name)))
        if self.resize_mode not in _RESIZE_MODES:
            raise OptionError(f"expected resize_mode to be one of {', '.join(_RESIZE_MODES)}, got {self.resize_mode!r}")
        object.__setattr__(self, "detail", _share("detail", self.detail))
        if self.jpeg_quality is not None:
            object.__setattr__(self, "jpeg_quality", _positive("jpeg_quality", self.jpeg_quality))
            if self.jpeg_quality > 100:
                raise OptionError(f"expected jpeg_quality of at most 100, got {self.jpeg_quality}")
        if not isinstance(self.aliased, bool):
            raise OptionError(f"expected aliased to be true or false, got {self.aliased!r}")
        if min(self.std) <= 0:
            raise OptionError(f"expected std of three positive numbers, got {self.std}")


def preprocess(
    image: NDArray[np.uint8], preprocessing: Preprocessing, *, min_size: int = 1
) -> tuple["Tensor", NDArray[np.uint8], Geometry]:
    """Resize and normalise a photo.

    The photo is resized in eight bits, by Pillow's bilinear filter, which widens with the reduction and so does not
    alias, unless `aliased` asks for it; the input derives from the resized picture alone. What `network_image` shows is
    what the network saw, to the last bit.

    Args:
        image: RGB, uint8, (H, W, 3).
        preprocessing: Size, resize_mode, detail, compression and normalisation.
        min_size: Shortest side, in pixels, that the network takes, before and after resizing.

    Returns:
        The network's input, float32 (1, 3, h, w) on the CPU, ``(network_image / 255 - mean) / std``;
        `network_image`, uint8 (h, w, 3); and the geometry between the photo and `network_image`.

    Raises:
        ImageError: Not an RGB uint8 array, or a side is shorter than the network takes.
        OptionError: The input would have over 50 megapixels.
    """
    network_image, geometry = resized(image, preprocessing, min_size=min_size)
    return normalise(network_image, preprocessing), network_image, geometry


def resized(
    image: NDArray[np.uint8], preprocessing: Preprocessing, *, min_size: int = 1
) -> tuple[NDArray[np.uint8], Geometry]:
    """As `preprocess`, without the input itself: `network_image` and the geometry."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        got = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ImageError(f"expected an RGB array, uint8 of shape (H, W, 3), got {got}")
    geometry = plan((image.shape[0], image.shape[1]), preprocessing, min_size=min_size)
    h, w = geometry.network_size
    rows, columns = reduced_size((h, w), preprocessing.detail)
    photo, crop = Image.fromarray(image), geometry.crop
    if preprocessing.aliased:
        reduced = sampled(photo, (rows, columns), crop)
    else:
        reduced = photo.resize((columns, rows), _FILTER, box=crop)
    if preprocessing.jpeg_quality is not None:
        reduced = through_jpeg(reduced, preprocessing.jpeg_quality)
    network_image = np.array(reduced.resize((w, h), _FILTER), dtype=np.uint8, order="C")
    return network_image, geometry


def sampled(image: Image.Image, size: tuple[int, int], box: tuple[float, float, float, float]) -> Image.Image:
    """Reduce a part of an RGB picture as Tiny ImageNet's files were: bicubic, without antialiasing at the last step.

    Args:
        image: RGB.
        size: (height, width) of the result, pixels.
        box: The part: left, top, right, bottom, pixels.
    """
    height, width = size
    twice = (2 * width, 2 * height)
    halfway = image.resize(twice, Image.Resampling.BICUBIC, box=box)
    return halfway.transform((width, height), Image.Transform.EXTENT, (0, 0, *twice), Image.Resampling.BICUBIC)


def through_jpeg(image: Image.Image, quality: int) -> Image.Image:
    """What is left of an RGB picture after JPEG of a quality, with Pillow's chroma subsampling."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    with Image.open(stream) as opened:
        return opened.convert("RGB")


def plan(photo_size: tuple[int, int], preprocessing: Preprocessing, *, min_size: int = 1) -> Geometry:
    """What `preprocess` would do with a photo of a size, without doing it.

    Args:
        photo_size: (height, width) in pixels.
        preprocessing: Size, fit and multiple.
        min_size: Shortest side, in pixels, that the network takes, before and after resizing.

    Returns:
        The geometry between the photo and the network's input.

    Raises:
        ImageError: A side is shorter than the network takes.
        OptionError: The input would have over 50 megapixels.
    """
    height, width = photo_size
    smallest = max(1, min_size)
    _check_smallest("a picture", height, width, smallest)
    crop = _crop(height, width, preprocessing.resize_mode)
    left, top, right, bottom = crop
    h, w = _network_size(bottom - top, right - left, preprocessing)
    _check_smallest(f"a picture of {width} x {height} pixels that becomes", h, w, smallest)
    return Geometry((height, width), crop, (h, w))


def reduced_size(network_size: tuple[int, int], detail: float) -> tuple[int, int]:
    """Size that a photo is reduced to before it is enlarged to the network's input; the input's own for detail 1.

    Args:
        network_size: (h, w) of the input, pixels.
        detail: Share of them, over 0 and up to 1.

    Returns:
        (height, width), pixels, at least 1.
    """
    h, w = (max(1, round(detail * side)) for side in network_size)
    return h, w


def normalise(network_image: NDArray[np.uint8], preprocessing: Preprocessing) -> "Tensor":
    """What torchvision's ``to_tensor`` and ``normalize`` make of the picture, bit for bit.

    Args:
        network_image: RGB, uint8, (h, w, 3).
        preprocessing: Its mean and std are used.

    Returns:
        float32 (1, 3, h, w), contiguous, on the CPU.
    """
    import torch  # here: results hold a `Preprocessing`, and drawing them needs no torch

    x = torch.from_numpy(np.ascontiguousarray(network_image.transpose(2, 0, 1)))[None].to(torch.float32).div_(255)
    mean = torch.tensor(preprocessing.mean, dtype=torch.float32).view(1, 3, 1, 1)
    std = torch.tensor(preprocessing.std, dtype=torch.float32).view(1, 3, 1, 1)
    return x.sub_(mean).div_(std)


def _positive(name: str, value: int) -> int:
    try:
        number = 0 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = 0
    if not 1 <= number <= MOST_PIXELS:
        raise OptionError(f"expected {name} to be a whole number of at least 1, got {value!r}")
    return number


def _share(name: str, value: float) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not 0 < number <= 1:
        raise OptionError(f"expected {name} to be a number over 0 and up to 1, got {value!r}")
    return number


def _three(name: str, values: Sequence[float]) -> tuple[float, ...]:
    try:
        numbers = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        numbers = ()
    if len(numbers) != 3 or not all(math.isfinite(number) for number in numbers):
        raise OptionError(f"expected {name} of three finite numbers, got {values!r}")
    return numbers


def _crop(height: int, width: int, resize_mode: str) -> tuple[int, int, int, int]:
    """(left, top, right, bottom): everything, or the largest square in the middle."""
    if resize_mode != "center_crop":
        return 0, 0, width, height
    side = min(height, width)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def _network_size(height: int, width: int, preprocessing: Preprocessing) -> tuple[int, int]:
    """Height and width of the network's input for the part of a photo that it sees."""
    size, multiple = preprocessing.size, preprocessing.multiple
    if preprocessing.resize_mode == "keep":
        shrunk, side = size, min(height, width)
        if max(height, width) > _LONGEST * side:
            shrunk, side = _LONGEST * size, max(height, width)
        exact = (height * shrunk / side, width * shrunk / side)  # multiplied first: a tie must be exact to round up
    else:
        exact = (float(size), float(size))
    h, w = (max(1, math.floor(side / multiple + 0.5)) * multiple for side in exact)
    if h * w > MOST_PIXELS:
        raise OptionError(f"expected a size whose input has at most {MOST_PIXELS // 10**6} megapixels, got {w} x {h}")
    return h, w


def _check_smallest(what: str, height: int, width: int, smallest: int) -> None:
    if min(height, width) < smallest:
        raise ImageError(
            f"expected {what} at least {smallest} x {smallest} pixels, the smallest that the network takes, "
            f"got {width} x {height}"
        )
