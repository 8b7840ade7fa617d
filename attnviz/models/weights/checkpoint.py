"""Checkpoint files to networks and back: exactly, or with an error; never in part, never running what a file says."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import nn

from attnviz.errors import CheckpointError
from attnviz.models.weights.eight_bits import pack, unpack
from attnviz.models.weights.strict_load import load_strictly, recognise
from attnviz.models.weights.tensor_files import read_tensors

_CONFIG_KEY = "attnviz"  # entry of a safetensors header that holds the network's description as JSON


def save_checkpoint(
    net: nn.Module, path: str | Path, dtype: torch.dtype = torch.float16, *, eight_bits: bool = False
) -> None:
    """Write a network's weights as safetensors, with its description in the header.

    Args:
        net: A network with a ``.config``.
        path: The file; written whole under a temporary name first.
        dtype: Of floating-point tensors in the file; integers stay as they are.
        eight_bits: Whether matrices and kernels are rounded to 8 bits a weight, with a scale for each output channel.

    Raises:
        CheckpointError: A number is too large for `dtype`.

    Example:
        >>> import attnviz, tempfile
        >>> net = attnviz.load_model("bam_resnet18_w32", device="cpu").net
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     attnviz.save_checkpoint(net, f"{folder}/mine.safetensors")
        ...     attnviz.load_checkpoint(f"{folder}/mine.safetensors").config == net.config
        True
    """
    path = Path(path)
    state = net.state_dict()
    kept = pack(state) if eight_bits else state
    tensors = {
        name: (t.to(dtype) if t.is_floating_point() and name in state else t).detach().cpu().contiguous()
        for name, t in kept.items()
    }
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(f"expected numbers at {name} that {dtype} can hold, got larger ones")
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        safetensors.torch.save_file(tensors, unfinished, metadata={_CONFIG_KEY: json.dumps(net.config)})
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def load_checkpoint(path: str | Path, config: Mapping[str, Any] | None = None) -> nn.Module:
    """Read a checkpoint into the network it belongs to, float32, in evaluation mode.

    Args:
        path: The project's own ``.safetensors``; or a ``.pth`` (or safetensors) of the authors of BAM, CBAM, DANet,
            of PytorchInsight, pytorchcv (also its ``.pth.zip``) or mmsegmentation, recognised by its names.
        config: The network's description. None reads it from the file's header or from the card beside it, or
            infers it from names and shapes; what those cannot tell (dilations) is then as in the released weights.

    Raises:
        CheckpointError: The file is missing, damaged, not only tensors, or does not fit a network exactly.

    Example:
        >>> import attnviz
        >>> net = attnviz.load_checkpoint("weights/bam_resnet18_w32.safetensors")
        >>> type(net).__name__
        'BamResNet'
    """
    path = Path(path)
    tensors = read_tensors(path)
    own = _header(path) or _card(path)
    if own is not None:
        return load_strictly(config or own, unpack(tensors, path.name), path.name)
    scheme = recognise(tensors)
    shapes = {key: tuple(value.shape) for key, value in tensors.items()}
    return load_strictly(config or scheme.infer(shapes), tensors, path.name, scheme)


def _header(path: Path) -> dict[str, Any] | None:
    """The description in the header of a safetensors file.

    Raises:
        CheckpointError: There is one, and it is damaged.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get(_CONFIG_KEY)
    except (safetensors.SafetensorError, OSError):
        return None  # another container, already read
    return None if header is None else _description(header, f"the header of {path.name}")


def _card(path: Path) -> dict[str, Any] | None:
    """The description in a model card beside the file that names the file.

    Raises:
        CheckpointError: There is one, and it is damaged.
    """
    card = path.with_suffix(".json")
    if path.suffix != ".safetensors" or not card.is_file():
        return None
    try:
        fields = json.loads(card.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"expected a model card in {card.name}, got {error}") from error
    if not isinstance(fields, dict) or fields.get("file") != path.name:
        return None
    return _description(json.dumps(fields.get("config")), card.name)


def _description(text: str, where: str) -> dict[str, Any]:
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"expected a network's description in {where}, got {error}") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"expected a network's description in {where}, got {text:.80}")
    return config
