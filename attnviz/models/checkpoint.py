"""Checkpoint files to networks and back: exactly, or with an error; never in part, never running what a file says."""

import json
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from attnviz.errors import CheckpointError, OptionError
from attnviz.models.build import build_model

_SPEC_KEY = "attnviz"  # entry of a safetensors header that holds the network's description as JSON


def save_checkpoint(net: nn.Module, path: str | Path, dtype: torch.dtype = torch.float16) -> None:
    """Write a network's weights as safetensors, with its description in the header.

    Args:
        net: A network with a ``.spec``.
        path: The file; written whole under a temporary name first.
        dtype: Of floating-point tensors in the file; integers stay as they are.
    """
    path = Path(path)
    tensors = {
        name: (t.to(dtype) if t.is_floating_point() else t).detach().cpu().contiguous()
        for name, t in net.state_dict().items()
    }
    unfinished = path.with_name(path.name + ".part")
    safetensors.torch.save_file(tensors, unfinished, metadata={_SPEC_KEY: json.dumps(net.spec)})
    unfinished.replace(path)


def load_checkpoint(path: str | Path, spec: Mapping[str, Any] | None = None) -> nn.Module:
    """Read a checkpoint into the network it belongs to, float32, in evaluation mode.

    Args:
        path: The project's own ``.safetensors``, or the authors' ``.pth`` of BAM or DANet.
        spec: The network's description; None reads it from the file, or infers it from the tensors.

    Raises:
        CheckpointError: The file is missing, damaged, not only tensors, or does not fit a network exactly.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"expected a checkpoint file, got {str(path)!r}, which is not a file")
    tensors, header = _read(path)
    spec = spec or header
    if spec is None:
        raise CheckpointError(f"expected a checkpoint with its network's description, got {path.name} without one")
    return fit(spec, tensors, path.name)


def fit(spec: Mapping[str, Any], tensors: Mapping[str, Tensor], name: str) -> nn.Module:
    """Build the network of a description and give it exactly these tensors.

    Raises:
        CheckpointError: Keys or shapes differ; the message names the first few.
    """
    try:
        net = build_model(spec)
    except OptionError as error:
        raise CheckpointError(f"expected {name} to describe a network, but {error}") from error
    wanted = net.state_dict()
    missing = sorted(wanted.keys() - tensors.keys())
    extra = sorted(tensors.keys() - wanted.keys())
    shapes = [
        f"{key} {tuple(tensors[key].shape)} instead of {tuple(wanted[key].shape)}"
        for key in wanted.keys() & tensors.keys()
        if tensors[key].shape != wanted[key].shape
    ]
    for what, keys in (("lacks", missing), ("has unknown", extra), ("has wrong shapes", sorted(shapes))):
        if keys:
            more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
            raise CheckpointError(
                f"expected the {len(wanted)} tensors of a {spec.get('architecture')}, but {name} {what}: "
                f"{', '.join(keys[:3])}{more}"
            )
    net.load_state_dict({key: t.to(wanted[key].dtype) for key, t in tensors.items()}, strict=True)
    return net.eval()


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any] | None]:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get(_SPEC_KEY)
            return {key: file.get_tensor(key) for key in file.keys()}, json.loads(header) if header else None
    except safetensors.SafetensorError:
        return _read_pickle(path), None
    except (OSError, json.JSONDecodeError) as error:
        raise CheckpointError(f"expected a readable checkpoint, got {path.name}: {error}") from error


def _read_pickle(path: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, zipfile.BadZipFile) as error:
        raise CheckpointError(
            f"expected safetensors or a PyTorch file that holds only tensors, got {path.name}"
        ) from error
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict) or not all(isinstance(t, Tensor) for t in content.values()):
        raise CheckpointError(f"expected a dictionary of tensors, got {path.name} with something else in it")
    return {str(key).removeprefix("module."): tensor for key, tensor in content.items()}
