"""A network of timm (https://github.com/huggingface/pytorch-image-models), with the input that it was trained on."""

from typing import Any

from torch import nn

from attnviz.errors import DownloadError, first_line
from attnviz.extras import needs
from attnviz.inputs.preprocess import Preprocessing
from attnviz.models.own.source import Sourced, unknown_network


def from_timm(name: str, *, random_weights: bool) -> Sourced:
    """Make a network of timm.

    Args:
        name: As `timm.create_model` takes it.
        random_weights: Whether to leave the trained weights where they are.

    Raises:
        MissingExtraError: timm is not installed.
        UnknownModelError: timm has no such network.
        DownloadError: timm cannot get the weights.
    """
    with needs("torchvision", extra="timm"):
        from attnviz.models import torchvision_ops  # noqa: F401 - before timm, which imports torchvision
    with needs("timm", extra="timm"):
        import timm
        import timm.data
    library: Any = timm
    if not library.is_model(name) and not name.startswith(("hf-hub:", "hf_hub:")):
        raise unknown_network("timm", name, library.list_models())
    try:
        net = library.create_model(name, pretrained=not random_weights)
    except Exception as error:  # timm and what fetches for it document none of theirs
        raise DownloadError(
            f"expected timm to get the weights of {name}, got: {first_line(error)} (--random-weights does without)"
        ) from error
    trained = not random_weights
    return Sourced(net, f"timm:{name}", _preprocessing(library, net), _categories(library, net), trained, "timm")


def _preprocessing(timm: Any, net: nn.Module) -> Preprocessing:  # noqa: ANN401 - a library that is not always there
    config = timm.data.resolve_model_data_config(net)
    _, height, width = config["input_size"]
    return Preprocessing(size=min(height, width), mean=config["mean"], std=config["std"])


def _categories(timm: Any, net: nn.Module) -> tuple[str, ...]:  # noqa: ANN401
    names = (getattr(net, "pretrained_cfg", None) or {}).get("label_names")
    if names:
        return tuple(map(str, names))
    subset = timm.data.infer_imagenet_subset(net)
    if subset is None:
        return ()
    known = timm.data.ImageNetInfo(subset)
    return tuple(known.index_to_description(i) for i in range(known.num_classes()))
