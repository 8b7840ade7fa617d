"""Watch one forward pass: hooks on, run, hooks off, whatever happens."""

import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from attnviz.errors import RecordError
from attnviz.models.sites import Site, sites_of
from attnviz.module_steps import Step
from attnviz.results import FloatArray

_locks: "weakref.WeakKeyDictionary[nn.Module, threading.RLock]" = weakref.WeakKeyDictionary()
_locks_guard = threading.Lock()


@dataclass(frozen=True, eq=False)
class Recording:
    """What one forward pass computed.

    Attributes:
        output: Whatever the network gave, a tensor for one.
        sites: Label -> tensor, detached, as the hooked module returned it; see `attnviz.models.sites.SiteKind`.
        watched: The sites that were watched, in order.
        class_token: Whether the first token before the picture's places is the network's class token.
        extra: Label that the sites of a position attention share -> how many of the last channels of its query and key
            are not the network's own; none where all are.
        around: Label of a gate that was found -> the features that it multiplies, and what comes out; where asked for.

    Example:
        >>> import attnviz, torch
        >>> net = attnviz.load_model("bam_resnet18_w32", device="cpu").net
        >>> recording = attnviz.record(net, torch.zeros(1, 3, 64, 64))
        >>> tuple(recording.output.shape), [site.label for site in recording.watched][:2]
        ((1, 210), ['stage1.spatial_logit', 'stage1.channel_logit'])
    """

    output: Any
    sites: Mapping[str, Tensor]
    watched: tuple[Site, ...]
    class_token: bool = False
    around: Mapping[str, tuple[Step, ...]] = field(default_factory=dict)
    extra: Mapping[str, int] = field(default_factory=dict)


def as_numpy(tensor: Tensor) -> FloatArray:
    """A tensor of any device and dtype as a float32 array."""
    return np.asarray(tensor.detach().to("cpu", torch.float32).numpy())


def record(net: nn.Module, x: Tensor, sites: Sequence[Site] | None = None) -> Recording:
    """Run a network once, without gradients and in evaluation mode, and keep what its sites computed.

    No hook is left behind and every module's ``training`` flag is as before, also after an exception. Two
    threads may record the same network: one waits for the other; a plain forward pass of another thread is
    not recorded.

    Args:
        net: A network with a ``.sites()`` method, or any network when `sites` are given.
        x: Its input, (B, 3, H, W); moved to the network's device and dtype.
        sites: What to watch; None: all sites of the network.

    Raises:
        RecordError: The network has no sites, a site names no module, returns no tensor or was never reached.

    Example:
        >>> import attnviz, torch
        >>> net = attnviz.load_model("bam_resnet18_w32", device="cpu").net
        >>> recording = attnviz.record(net, torch.zeros(1, 3, 64, 96))
        >>> tuple(recording.sites["stage2.gain"].shape)
        (1, 1, 8, 12)
    """
    sites = sites_of(net) if sites is None else sites
    if x.ndim != 4:
        raise RecordError(f"expected an input of shape (B, 3, H, W), got {tuple(x.shape)}")
    parameter = next(net.parameters(), x)
    kept: dict[str, Tensor] = {}
    with lock_of(net), evaluating(net), watching(net, sites, kept), torch.no_grad():
        output = net(x.to(parameter.device, parameter.dtype))
    for site in sites:
        if site.label not in kept:
            raise RecordError(f"expected the forward pass to reach {site.path} for {site.label}, but it did not")
    return Recording(
        output=output.detach() if isinstance(output, Tensor) else output,
        sites={site.label: kept[site.label] for site in sites},
        watched=tuple(sites),
    )


@contextmanager
def watching(net: nn.Module, sites: Sequence[Site], kept: dict[str, Tensor]) -> Iterator[None]:
    """Within it, what each site's module returns to this thread is copied into `kept` under the site's label.

    Raises:
        RecordError: A site names no module, or its module returns no tensor.
    """
    thread = threading.get_ident()
    handles: list[RemovableHandle] = []
    try:
        for site in sites:
            found = _found(net, site)
            if isinstance(found, nn.Module):
                handles.append(found.register_forward_hook(_keeper(site, kept, thread)))
            else:
                kept[site.label] = found.detach().clone()
        yield
    finally:
        for handle in handles:
            handle.remove()


def _found(net: nn.Module, site: Site) -> nn.Module | nn.Parameter:
    """What a site names: a module whose output is read, or the parameter of a gamma."""
    what = "parameter" if site.kind == "gamma" else "module"
    try:
        return net.get_parameter(site.path) if site.kind == "gamma" else net.get_submodule(site.path)
    except AttributeError as error:
        raise RecordError(f"expected a {what} {site.path!r} for {site.label}, got none of that name") from error


@contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """Within it every module is in evaluation mode; after it each has its own mode again."""
    trained = [module for module in net.modules() if module.training]
    try:
        for module in trained:  # setting it takes longer than looking
            module.training = False
        yield
    finally:
        for module in trained:
            module.training = True


def _keeper(site: Site, kept: dict[str, Tensor], thread: int) -> Callable[[nn.Module, Any, Any], None]:
    def keep(module: nn.Module, inputs: object, output: object) -> None:
        if threading.get_ident() != thread:
            return
        if not isinstance(output, Tensor):
            raise RecordError(f"expected a tensor from {site.path}, got {type(output).__name__}")
        shown = output.detach() if site.view is None else site.view(output.detach())
        kept[site.label] = shown.clone()  # an in-place operation after the module would rewrite the tensor itself

    return keep


def lock_of(net: nn.Module) -> threading.RLock:
    """The lock that a recording of this network holds; one per network."""
    with _locks_guard:
        return _locks.setdefault(net, threading.RLock())
