"""Explaining a photo only where this machine can hold the run: said before it starts, not found out half way."""

from pathlib import Path
from typing import TYPE_CHECKING

from attnviz.inputs.decode import decode
from attnviz.inputs.preprocess import ResizeMode, plan
from attnviz.observe.cost import check_fits, estimate, free_memory
from attnviz.pipeline import explain
from attnviz.results import Explanation

if TYPE_CHECKING:
    from attnviz.models.weights.registry import LoadedModel


def explain_within_memory(
    photo: Path, loaded: "LoadedModel", *, size: int | None = None, resize_mode: ResizeMode = "keep", top: int = 5
) -> Explanation:
    """As `attnviz.explain`, after a look at the memory that is free.

    Args:
        photo: The photo's file.
        loaded: The network, on its device.
        size: Shorter side that the network sees; None: as trained.
        resize_mode: How the photo is fitted.
        top: How many predictions to keep.

    Raises:
        DeviceError: The run would take more memory than is free.
        AttnvizError: Whatever `attnviz.explain` refuses.
    """
    pixels, entry, device = decode(photo), loaded.entry, str(loaded.device)
    if entry.config:
        height, width = pixels.shape[:2]
        seen = plan((height, width), entry.preprocessing(size, resize_mode), min_size=entry.min_size).network_size
        check_fits(estimate(entry.config, seen, (height, width), device=device), free_memory(device))
    return explain(pixels, loaded, device=device, size=size, resize_mode=resize_mode, top=top)
