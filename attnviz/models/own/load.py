"""One door to networks of one's own: a name and a few choices in, a network that can be explained out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from torch import Tensor, nn

from attnviz.errors import OptionError, UnknownModelError, one_line
from attnviz.inputs.preprocess import Preprocessing
from attnviz.models.device import pick_device
from attnviz.models.own.from_python_file import from_python_file, names_python_file
from attnviz.models.own.from_timm import from_timm
from attnviz.models.own.from_torchvision import from_torchvision
from attnviz.models.own.from_transformers import from_transformers
from attnviz.models.own.input_size import fitted, remembered, size_of
from attnviz.models.own.running import watchable
from attnviz.models.own.source import Sourced
from attnviz.models.sites import names_sites
from attnviz.models.weights.file_hash import file_hash
from attnviz.models.weights.registry import LoadedModel, from_network, was_trained
from attnviz.models.weights.strict_load import fill
from attnviz.models.weights.tensor_files import read_tensors

_LIBRARIES: Mapping[str, Callable[..., Sourced]] = {
    "timm": from_timm,
    "torchvision": from_torchvision,
    "hf": from_transformers,
}
FORMS = "FILE.py:NAME, timm:NAME, torchvision:NAME or hf:NAME"
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.")  # of wrappers whose names training scripts leave on
_MOST_SHARED = 4  # networks of libraries that `explain` keeps for the next call


def names_library(name: object) -> bool:
    """Whether a name is that of a network of timm, torchvision or transformers."""
    library, colon, rest = str(name).partition(":")
    return bool(colon and rest) and library in _LIBRARIES


def names_network(name: object) -> bool:
    """Whether `load_network` takes a name; others are those of weights or of checkpoint files."""
    return names_library(name) or names_python_file(str(name))


def load_network(
    name: str,
    *,
    weights: str | Path | None = None,
    random_weights: bool = False,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    size: int | None = None,
    title: str | None = None,
    device: str = "auto",
) -> LoadedModel:
    """Load a network of one's own, or of a library, ready for `attnviz.explain` and for the page.

    **A Python file is run**, as ``python FILE.py`` would run it: name only files that you trust. Weights never are.

    Args:
        name: ``"FILE.py:NAME"`` (a network, or what gives one when called with nothing), ``"timm:NAME"``,
            ``"torchvision:NAME"``, or ``"hf:NAME"`` (of the Hugging Face hub, or a folder).
        weights: A file of tensors (``.pt``, ``.pth``, ``.safetensors``) that must fit the network exactly; None: those
            that the file or the library gives it.
        random_weights: Whether to leave a library's weights where they are; every output says so.
        mean: Of red, green and blue, in [0, 1]; None: as the library says, else ImageNet's.
        std: Likewise.
        size: Shorter side that the network sees, pixels; None: as the library or the network says, else 224.
        title: What people read; None: the name.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:N"`` or ``"mps"``.

    Returns:
        The network in evaluation mode. Where it takes pictures of any proportions, photos are kept whole in theirs;
        where it takes squares of one size, they are squeezed into it.

    Raises:
        UnknownModelError: There is no such file, name or network.
        MissingExtraError: The library is not installed.
        DownloadError: The library cannot get the weights.
        CheckpointError: `weights` cannot be read or do not fit exactly.
        ModelError: The file fails, or gives no network that takes a picture.
        OptionError: A choice is impossible.
        DeviceError: No such device.

    Example:
        >>> import attnviz
        >>> loaded = attnviz.load_network("torchvision:resnet18", random_weights=True, size=64, device="cpu")
        >>> attnviz.explain("assets/coffee.jpg", loaded).model.trained
        False
    """
    if weights is not None and random_weights:
        raise OptionError("expected a file of weights or random ones, got both")
    if random_weights and names_python_file(name):
        raise OptionError(
            f"expected random weights of a library's network, got {one_line(name, 200)!r}, which makes its own"
        )
    place = pick_device(device)
    sourced = _sourced(name, random_weights=random_weights or weights is not None)
    net = watchable(sourced.net)
    if weights is not None:
        fill(net, _named_as(net, read_tensors(weights)), Path(weights).name)
    known = sourced.preprocessing or Preprocessing(size=size_of(net))
    preprocessing, one_size = fitted(net.to(place).eval(), _chosen(known, size=size, mean=mean, std=std))
    loaded = from_network(net, name=sourced.name, device=str(place), trained=sourced.trained or weights is not None)
    card = replace(
        loaded.card,
        title=one_line(title or sourced.name, 120),
        preprocessing=preprocessing,
        one_size=one_size,
        categories=sourced.categories or loaded.card.categories,
        source=sourced.source,
        parameters=sum(parameter.numel() for parameter in net.parameters()),
        notes=() if loaded.trained else ("Its weights are random: it was not trained.",),
        path=None if weights is None else Path(weights),
        sha256=None if weights is None else file_hash(Path(weights)),
    )
    return replace(loaded, card=card)


@lru_cache(maxsize=_MOST_SHARED)
def shared_network(name: str, device: str = "auto") -> LoadedModel:
    """As `load_network` of a library, but one network for all who ask for the same name: nobody may change it.

    Raises:
        AttnvizError: As for `load_network`.
        OptionError: It is no library's: whoever wants a Python file run calls `load_network`.
    """
    if not names_library(name):
        raise OptionError(
            f"expected a network of a library, got {one_line(name, 200)!r}, a file that would be run: "
            "call attnviz.load_network with it and give what that returns"
        )
    return load_network(name, device=device)


def given_network(net: nn.Module, device: str = "auto", size: int | None = None) -> LoadedModel:
    """A network that a program made, as `explain` takes it; its mode is left as it is, and with "auto" its place.

    Args:
        net: The network; nobody else may be using it now.
        device: As for `load_network`.
        size: Shorter side that it will see, pixels; None: what it says itself, else 224.

    Raises:
        ModelError: Its attention cannot be watched.
    """
    net = watchable(net)
    loaded = from_network(net, device=device, trained=was_trained(net))
    if names_sites(net):
        return loaded
    preprocessing, one_size = remembered(net, size)
    return replace(loaded, card=replace(loaded.card, preprocessing=preprocessing, one_size=one_size))


def _sourced(name: str, *, random_weights: bool) -> Sourced:
    if names_python_file(name):
        return from_python_file(name)
    if not names_library(name):
        raise UnknownModelError(f"expected {FORMS}, got {one_line(name, 200)!r}")
    library, _, rest = name.partition(":")
    return _LIBRARIES[library](rest, random_weights=random_weights)


def _chosen(known: Preprocessing, **choices: object) -> Preprocessing:
    """What is known, with what was chosen."""
    made = {name: value for name, value in choices.items() if value is not None}
    return replace(known, **made)  # type: ignore[arg-type] # checked by it


def _named_as(net: nn.Module, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The tensors without what a wrapper put before all their names, where the network's own names do without."""
    wanted = net.state_dict().keys()
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in tensors) and not all(name.startswith(prefix) for name in wanted):
            return {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors
