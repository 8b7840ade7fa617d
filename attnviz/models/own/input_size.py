"""Which pictures a network takes, found by giving it some: of any proportions, or squares of one size only."""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import nn

from attnviz.errors import ModelError, first_line
from attnviz.inputs.preprocess import Preprocessing
from attnviz.models.own.running import why
from attnviz.models.own.source import DEFAULT_SIZE

_STRIDE = 32  # of most networks' last features: sides of a multiple of it lose no pixels at the edge
_PATCH = 4  # pixels; a convolution as large as its step, and at least so large, cuts a picture into patches
Fit = tuple[Preprocessing, bool]  # and whether it is squares of one size
_fitted: weakref.WeakKeyDictionary[nn.Module, dict[int | None, Fit]] = weakref.WeakKeyDictionary()


def fitted(net: nn.Module, wanted: Preprocessing) -> Fit:
    """The preprocessing that a network takes, and whether it takes squares of one size only.

    Args:
        net: The network, on its device.
        wanted: Size, mean and std, as its makers or the user say.

    Returns:
        The whole photo in its proportions where the network takes that, else squeezed into the square it takes.

    Raises:
        ModelError: It takes no RGB picture of that size.
    """
    multiple = _multiple(net)
    own = replace(wanted, multiple=multiple)
    side = max(1, round(own.size / multiple)) * multiple
    if _refusal(net, side, side + 2 * multiple) is None:
        return own, False
    square = replace(own, resize_mode="stretch", multiple=own.size)
    problem = _refusal(net, own.size, own.size)
    if problem is not None:
        raise ModelError(
            f"expected a network that takes an RGB picture of {own.size} x {own.size} pixels, got from "
            f"{type(net).__name__}: {_said(problem)}"
        ) from problem
    return square, True


def remembered(net: nn.Module, size: int | None = None) -> Fit:
    """As `fitted` of a network about which nothing else is known; a network is asked once for each size.

    Args:
        net: The network; nobody else may be using it now.
        size: Shorter side in pixels; None: what the network says, else 224.

    Returns:
        As from `fitted`; of a network that takes no such picture, the usual preprocessing.
    """
    known = _fitted.setdefault(net, {})
    if size not in known:
        wanted = Preprocessing(size=size_of(net) if size is None else size)
        try:
            known[size] = fitted(net, wanted)
        except ModelError:
            known[size] = (wanted, False)
    return known[size]


def _said(problem: BaseException) -> str:
    """What a network raised; that another size may do, where sizes can be the reason."""
    if isinstance(problem, (TypeError, OSError, EOFError, SystemExit, RecursionError)):
        return why(problem)
    return f"{first_line(problem)}; choose the size that it takes"


def _refusal(net: nn.Module, height: int, width: int) -> BaseException | None:
    """What a network raises for a picture of a size; None where it takes it."""
    parameter = next(net.parameters(), torch.empty(0))
    x = torch.linspace(-1, 1, 3 * height * width).view(1, 3, height, width).to(parameter.device, parameter.dtype)
    try:
        with _evaluating(net), torch.no_grad():
            net(x)
    except (Exception, SystemExit) as error:  # it is anybody's network
        return error
    return None


@contextmanager
def _evaluating(net: nn.Module) -> Iterator[None]:
    flags = [(module, module.training) for module in net.modules()]
    try:
        net.eval()
        yield
    finally:
        for module, training in flags:
            module.training = training


def _multiple(net: nn.Module) -> int:
    """The side of the patches that a network cuts pictures into, or 32 where that holds whole ones."""
    patches = [
        int(part.stride[0])
        for part in net.modules()
        if isinstance(part, nn.Conv2d) and part.in_channels == 3 and part.stride == part.kernel_size
    ]
    patch = max((side for side in patches if side >= _PATCH), default=1)
    return _STRIDE if _STRIDE % patch == 0 else patch


def size_of(net: nn.Module) -> int:
    """The size of pictures that a network says it takes, by the names that libraries have for it; else 224 pixels."""
    for place in (net, getattr(net, "patch_embed", None), getattr(net, "config", None)):
        for name in ("image_size", "img_size"):
            found = getattr(place, name, None)
            found = min(found) if isinstance(found, (tuple, list)) and found else found
            if isinstance(found, int) and found > 0:
                return found
    return DEFAULT_SIZE
