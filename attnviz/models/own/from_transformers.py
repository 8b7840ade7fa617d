"""A network of the Hugging Face hub, or of a folder that `save_pretrained` wrote, by way of transformers.

Code that a repository brings along is never run (``trust_remote_code=False``).
"""

import importlib.util
from pathlib import Path
from typing import Any

from attnviz.errors import DownloadError, UnknownModelError, first_line, one_line
from attnviz.extras import needs
from attnviz.inputs.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocessing
from attnviz.models.own.source import DEFAULT_SIZE, Sourced


def from_transformers(name: str, *, random_weights: bool) -> Sourced:
    """Make a network that transformers knows.

    Args:
        name: Of a repository of the hub, or the path of a folder.
        random_weights: Whether to leave the trained weights where they are; the description is needed all the same.

    Raises:
        MissingExtraError: transformers is not installed.
        DownloadError: transformers cannot get the description or the weights.
        UnknownModelError: transformers has no class for it.
    """
    if importlib.util.find_spec("torchvision"):
        from attnviz.models import torchvision_ops  # noqa: F401 - before transformers, which imports torchvision
    with needs("transformers", extra="hf"):
        import transformers
    try:
        config = transformers.AutoConfig.from_pretrained(name, trust_remote_code=False)
        kind = _class_of(transformers, config)
        net = kind._from_config(config) if random_weights else kind.from_pretrained(name, trust_remote_code=False)
    except UnknownModelError:
        raise
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        hint = "" if random_weights else " (--random-weights does without the weights)"
        raise DownloadError(
            f"expected transformers to get {one_line(name, 120)}, got: {first_line(error)}{hint}"
        ) from error
    categories = tuple(str(label) for _, label in sorted((config.id2label or {}).items()))
    trained = not random_weights
    shown = f"hf:{Path(name).name if Path(name).is_dir() else name}"
    return Sourced(net.float(), shown, _preprocessing(transformers, name), categories, trained, "transformers")


def _class_of(transformers: Any, config: Any) -> Any:  # noqa: ANN401 - a library that is not always there
    """The class that a description names.

    Raises:
        UnknownModelError: This version of transformers has no such class.
    """
    name = next(iter(config.architectures or ()), None)
    found = getattr(transformers, name or "", None)
    if not isinstance(found, type) or not issubclass(found, transformers.PreTrainedModel):
        raise UnknownModelError(f"expected a network that transformers has, got {one_line(name, 80)!r}")
    return found


def _preprocessing(transformers: Any, name: str) -> Preprocessing | None:  # noqa: ANN401
    """What the image processor beside the weights says; None where there is none."""
    try:
        processor = transformers.AutoImageProcessor.from_pretrained(name, trust_remote_code=False)
    except (OSError, ValueError, RuntimeError, ImportError):
        return None
    normalised = getattr(processor, "do_normalize", True)
    size = _side(getattr(processor, "crop_size", None)) or _side(getattr(processor, "size", None)) or DEFAULT_SIZE
    return Preprocessing(
        size=size,
        mean=tuple(processor.image_mean or IMAGENET_MEAN) if normalised else (0.0, 0.0, 0.0),
        std=tuple(processor.image_std or IMAGENET_STD) if normalised else (1.0, 1.0, 1.0),
    )


def _side(size: Any) -> int | None:  # noqa: ANN401 - a number, or a mapping with one of several names
    if isinstance(size, int):
        return size
    for key in ("shortest_edge", "height"):
        found = None if size is None else size.get(key) if hasattr(size, "get") else getattr(size, key, None)
        if found:
            return int(found)
    return None
