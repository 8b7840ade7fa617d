"""Give a network exactly the tensors of a file: each one, none else, of the right shape, all finite; or nothing."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from attnviz.errors import CheckpointError, OptionError, first_line
from attnviz.models.build import build_model
from attnviz.models.weights.dialects import SCHEMES
from attnviz.models.weights.dialects.scheme import Scheme, Shape, Shapes, same_name, same_shape

_SHOWN = 3  # differing names that a message lists of each sort
# Of batches a batch norm was trained on; PyTorch before 0.4.1 did not count, and 1 says that it was trained.
_COUNTER = "num_batches_tracked"


class _WithoutDrawing(TorchFunctionMode):
    """Leaves random initialisation out: on tensors without memory it only imports PyTorch's compiler, for seconds."""

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: Sequence[type],
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        if func in (Tensor.normal_, Tensor.uniform_):
            return args[0]
        return func(*args, **(kwargs or {}))


def load_strictly(
    config: Mapping[str, Any], tensors: Mapping[str, Tensor], name: str, scheme: Scheme | None = None
) -> nn.Module:
    """Build the network of a description and give it exactly these tensors.

    Args:
        config: As for `attnviz.models.build.build_model`.
        tensors: Name -> tensor, as a publisher wrote them.
        name: Of the file, for messages.
        scheme: How that publisher names them; None: as this package does.

    Returns:
        The network on the CPU, float32, in evaluation mode.

    Raises:
        CheckpointError: Names or shapes differ, or a tensor is no plain array of finite numbers; the message names
            the first few.
    """
    net = _skeleton(config, name)
    stored = {_theirs(scheme, key): _stored(scheme, key, tuple(value.shape)) for key, value in net.state_dict().items()}
    kept = {key: value for key, value in tensors.items() if not _is_dropped(scheme, key)}
    if scheme is not None and not any(key.endswith(_COUNTER) for key in kept):
        kept |= {key: torch.ones((), dtype=torch.long) for key in stored if key.endswith(_COUNTER)}
    label = _label(config, scheme)
    if different := difference(stored, {key: tuple(value.shape) for key, value in kept.items()}):
        raise CheckpointError(f"expected the {len(stored)} tensors of {label}, but {name} {different}")
    weights = {
        key: _number(kept[_theirs(scheme, key)], value, f"{_theirs(scheme, key)} of {name}")
        for key, value in net.state_dict().items()
    }
    net.load_state_dict(weights, strict=True, assign=True)
    vars(net)["loaded_from"] = name  # its weights came from somewhere: they are not random
    return net.eval()


def fill(net: nn.Module, tensors: Mapping[str, Tensor], name: str) -> None:
    """Give a network of any kind exactly these tensors, under its own names; where they do not fit, it is as before.

    Args:
        net: The network.
        tensors: Name -> tensor, on the CPU.
        name: Of the file, for messages.

    Raises:
        CheckpointError: As for `load_strictly`.
    """
    wanted = {key: value for key, value in net.state_dict().items() if isinstance(value, Tensor)}
    shapes = {key: tuple(value.shape) for key, value in wanted.items()}
    if different := difference(shapes, {key: tuple(value.shape) for key, value in tensors.items()}):
        raise CheckpointError(f"expected the {len(wanted)} tensors of a {type(net).__name__}, but {name} {different}")
    net.load_state_dict({key: _number(tensors[key], value, f"{key} of {name}") for key, value in wanted.items()})
    vars(net)["loaded_from"] = name


def recognise(tensors: Mapping[str, Tensor]) -> Scheme:
    """The scheme whose names come nearest to those of a file; the file need not fit it."""
    shapes = {key: tuple(value.shape) for key, value in tensors.items()}
    marked = [scheme for scheme in SCHEMES if scheme.marked(shapes)]
    if len(marked) == 1:
        return marked[0]
    return max(marked or SCHEMES, key=lambda scheme: _likeness(scheme, shapes))


def difference(wanted: Shapes, got: Shapes) -> str:
    """How the names and shapes in a file differ from those of a network, for people; empty where they agree."""
    shapes = [
        f"{key} {got[key]} instead of {shape}" for key, shape in wanted.items() if key in got and got[key] != shape
    ]
    parts = (
        ("lacks", [key for key in wanted if key not in got]),
        ("has unexpected", [key for key in got if key not in wanted]),
        ("has wrong shapes:", shapes),
    )
    return "; ".join(f"{what} {_first(keys)}" for what, keys in parts if keys)


def _first(keys: list[str]) -> str:
    shown = ", ".join(f"{key:.120}" for key in keys[:_SHOWN])
    return shown + (f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else "")


def _skeleton(config: Mapping[str, Any], name: str) -> nn.Module:
    """The network of a description without memory for its weights, so that a wild one costs nothing.

    Raises:
        CheckpointError: No network has such a description.
    """
    try:
        with torch.device("meta"), _WithoutDrawing():
            return build_model(config)
    except (OptionError, RuntimeError, OverflowError) as error:
        raise CheckpointError(f"expected {name} to describe a network, but {first_line(error)}") from error


def _likeness(scheme: Scheme, shapes: Shapes) -> float:
    """Share of names that a file and the scheme's network have in common, in [0, 1]."""
    try:
        ours = _skeleton(scheme.infer(shapes), scheme.name).state_dict()
    except CheckpointError:
        return 0.0
    wanted = {scheme.theirs(key) for key in ours}
    return len(wanted & shapes.keys()) / len(wanted | shapes.keys())


def _theirs(scheme: Scheme | None, key: str) -> str:
    return (same_name if scheme is None else scheme.theirs)(key)


def _stored(scheme: Scheme | None, key: str, shape: Shape) -> Shape:
    return (same_shape if scheme is None else scheme.stored)(key, shape)


def _is_dropped(scheme: Scheme | None, key: str) -> bool:
    return scheme is not None and scheme.dropped is not None and scheme.dropped.fullmatch(key) is not None


def _label(config: Mapping[str, Any], scheme: Scheme | None) -> str:
    if scheme is None:
        return f"a {config.get('architecture')}"
    trunk = config.get("trunk", {})
    return f"{scheme.name} of depth {trunk.get('depth', 50)}, the nearest known scheme"


def _number(tensor: Tensor, wanted: Tensor, label: str) -> Tensor:
    """A tensor of one's own with the wanted shape and type.

    Raises:
        CheckpointError: It is no plain array on the CPU, of another kind of number, or not finite.
    """
    if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
        raise CheckpointError(f"expected a plain array at {label}, got {tensor.layout} on {tensor.device}")
    if tensor.untyped_storage().nbytes() < tensor.numel() * tensor.element_size():
        raise CheckpointError(f"expected {tensor.numel()} numbers at {label}, got fewer in the file")
    if tensor.is_floating_point() != wanted.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool:
        raise CheckpointError(f"expected {wanted.dtype} at {label}, got {tensor.dtype}")
    number = tensor.to(wanted.dtype).clone(memory_format=torch.contiguous_format).reshape(wanted.shape)
    if number.is_floating_point() and not bool(torch.isfinite(number).all()):
        raise CheckpointError(f"expected finite numbers at {label}, got NaN or infinity")
    return number
