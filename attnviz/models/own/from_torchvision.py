"""A network of torchvision, with the input and the classes of its weights."""

from typing import Any

from attnviz.errors import DownloadError, first_line
from attnviz.extras import needs
from attnviz.inputs.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocessing
from attnviz.models.own.source import DEFAULT_SIZE, Sourced, unknown_network


def from_torchvision(name: str, *, random_weights: bool) -> Sourced:
    """Make a network of torchvision.

    Args:
        name: As `models.get_model` takes it.
        random_weights: Whether to leave the trained weights where they are.

    Raises:
        MissingExtraError: torchvision is not installed.
        UnknownModelError: torchvision has no such network.
        DownloadError: torchvision cannot get the weights.
    """
    with needs("torchvision", extra="torchvision"):
        from attnviz.models.torchvision_ops import torchvision
    models: Any = torchvision.models
    known = models.list_models()
    if name not in known:
        raise unknown_network("torchvision", name, known)
    published = next(iter(models.get_model_weights(name)), None)
    weights = None if published is None else type(published).DEFAULT
    chosen = {"weights": None if random_weights else weights}
    if "weights_backbone" in models.get_model_builder(name).__annotations__:
        chosen["weights_backbone"] = None
    try:
        net = models.get_model(name, **chosen)
    except (OSError, RuntimeError) as error:  # no connection; a file that was cut short
        raise DownloadError(
            f"expected torchvision to get the weights of {name}, got: {first_line(error)} "
            "(--random-weights does without)"
        ) from error
    categories = () if weights is None else tuple(weights.meta.get("categories", ()))
    trained = chosen["weights"] is not None
    return Sourced(net, f"torchvision:{name}", _preprocessing(weights), categories, trained, "torchvision")


def _preprocessing(weights: Any) -> Preprocessing | None:  # noqa: ANN401 - a member of any of torchvision's enumerations
    """What the transforms of weights say; None where there are no weights."""
    if weights is None:
        return None
    transforms = weights.transforms()
    size = getattr(transforms, "crop_size", None) or getattr(transforms, "resize_size", None) or DEFAULT_SIZE
    return Preprocessing(
        size=size if isinstance(size, int) else min(size),
        mean=getattr(transforms, "mean", IMAGENET_MEAN),
        std=getattr(transforms, "std", IMAGENET_STD),
    )
