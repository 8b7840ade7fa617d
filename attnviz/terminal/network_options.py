"""The options by which commands name a network, and the network that they stand for."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import BadParameter, Option

from attnviz.errors import OptionError

if TYPE_CHECKING:
    from attnviz.models.weights.registry import LoadedModel

_FORMS = "FILE.py:NAME (runs the file), timm:NAME, torchvision:NAME or hf:NAME"

Model = Annotated[
    str | None, Option("--model", "-m", help=f"Name from `attnviz models`, a checkpoint file, or {_FORMS}.")
]
OwnModel = Annotated[str | None, Option("--model", "-m", help=f"A network to offer, too: {_FORMS}.")]
Weights = Annotated[
    Path | None, Option("--weights", metavar="FILE", help="Tensors for the network: .pt, .pth or .safetensors.")
]
RandomWeights = Annotated[
    bool, Option("--random-weights", help="Leave a library's weights where they are; every output says so.")
]
Mean = Annotated[
    str | None, Option("--mean", metavar="R,G,B", help="What is subtracted from the photo, in [0, 1]; else as trained.")
]
Std = Annotated[str | None, Option("--std", metavar="R,G,B", help="What divides it then; else as trained.")]
Size = Annotated[int | None, Option(min=1, max=16384, help="Shorter side the network sees, pixels; else as trained.")]


@dataclass(frozen=True, kw_only=True)
class NetworkRequest:
    """Which network was asked for on the command line.

    Attributes:
        model: As typed; None: the default.
        weights: File of tensors for it.
        random_weights: Whether to do without a library's weights.
        mean: Three numbers, with commas.
        std: Likewise.
        size: Shorter side that the network sees.
        title: What people read.
        device: Where to compute.
    """

    model: str | None = None
    weights: Path | None = None
    random_weights: bool = False
    mean: str | None = None
    std: str | None = None
    size: int | None = None
    title: str | None = None
    device: str = "auto"

    @property
    def choices(self) -> dict[str, object]:
        """What was chosen that only `attnviz.load_network` takes, by its names for it."""
        given = {
            "weights": self.weights,
            "random_weights": self.random_weights or None,
            "mean": _three("--mean", self.mean),
            "std": _three("--std", self.std),
            "title": self.title,
        }
        return {name: value for name, value in given.items() if value is not None}


def requested_network(request: NetworkRequest) -> "LoadedModel":
    """Load what was asked for. Of all the program only this may run a Python file: its user named it.

    Raises:
        AttnvizError: As for `attnviz.load_model` and `attnviz.load_network`.
        OptionError: A choice that weights known by name do not have.
    """
    from attnviz.models.own.load import load_network, names_network
    from attnviz.models.own.running import printing_aside
    from attnviz.models.weights.registry import DEFAULT_MODEL, load_model

    name, choices = request.model or DEFAULT_MODEL, request.choices
    if names_network(name):
        with printing_aside():
            return load_network(name, size=request.size, device=request.device, **choices)  # type: ignore[arg-type]
    if choices:
        option = next(iter(choices)).replace("_", "-")
        raise OptionError(f"expected --model {_FORMS} for --{option}, got {name}")
    return load_model(name, request.device)


def own_networks(request: NetworkRequest) -> list["LoadedModel"]:
    """The network that the page is to offer besides those known by name; none where none was named.

    Raises:
        AttnvizError: As for `attnviz.load_network`.
        OptionError: Something was chosen for a network, and none was named.
    """
    from attnviz.models.own.load import load_network

    choices = request.choices | ({} if request.size is None else {"size": request.size})
    if request.model is None:
        if choices:
            raise OptionError(f"expected --model {_FORMS} for --{next(iter(choices)).replace('_', '-')}, got none")
        return []
    return [load_network(request.model, device=request.device, **choices)]  # type: ignore[arg-type]


def _three(option: str, text: str | None) -> tuple[float, ...] | None:
    """Three numbers; one stands for three that are the same."""
    if text is None:
        return None
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) not in (1, 3):
        raise BadParameter(f"expected R,G,B, got {text!r}", param_hint=option)
    return numbers * 3 if len(numbers) == 1 else numbers
