"""Which tensors inside each attention module are shown, with their names and formulas; data, in the order of computing.

Every one is the output (or the input) of a submodule with a name, so that it can be watched in the one forward pass.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from attnviz.models.attention.bam import BAM
from attnviz.models.attention.cbam import CBAM
from attnviz.models.attention.dual_attention import ChannelAttention, PositionAttention
from attnviz.models.attention.se import SELayer
from attnviz.models.attention.sge import SpatialGroupEnhance
from attnviz.module_steps import StepKind, Summary


@dataclass(frozen=True)
class StepSite:
    """One tensor to watch.

    Attributes:
        symbol: As in the formulas.
        name: For people.
        formula: How it is made.
        path: Of the submodule, from the attention module; empty: the module itself.
        kind: What is kept of it, see `attnviz.module_steps.Step`.
        summary: Of ``"features"``: what the picture of all channels is.
        branch: ``"channel"``, ``"spatial"`` or empty.
        end: Whether the submodule's output or its input is the tensor.
        whole: Of ``"maps"``: whether all of them are kept, not only the strongest.
    """

    symbol: str
    name: str
    formula: str
    path: str
    kind: StepKind
    summary: Summary = ""
    branch: Literal["channel", "spatial", ""] = ""
    end: Literal["output", "input"] = "output"
    whole: bool = False


def steps_of(module: nn.Module) -> tuple[str, tuple[StepSite, ...]] | None:
    """Name of an attention module and its tensors; None of any other module."""
    return next(((name, steps(module)) for kind, name, steps in _KINDS if isinstance(module, kind)), None)


def _features(symbol: str, name: str, formula: str, path: str = "", **more: Any) -> StepSite:
    return StepSite(symbol, name, formula, path, "features", "norm", **more)


def _input(symbol: str) -> StepSite:
    return _features(symbol, "Features that come in", "", end="input")


def _bam(module: BAM) -> tuple[StepSite, ...]:
    options = module.options
    normed = "BN({})" if options.final_norm else "{}"
    mlp, convs = "channel_att.gate_c.", "spatial_att.gate_s.gate_s_relu_"
    steps = [
        _input("F"),
        StepSite("p", "Mean of channels", "p = mean of F over h, w", f"{mlp}flatten", "vector", "", "channel"),
        StepSite("h", "Hidden layer", "h = ReLU(BN(W₀ p))", f"{mlp}gate_c_relu_1", "vector", "", "channel"),
        StepSite("c", "Channel logits", f"c = {normed.format('W₁ h')}", "channel_att", "vector", "", "channel"),
        StepSite("R", "Channels, reduced", "R = ReLU(BN(conv1×1(F)))", f"{convs}reduce0", "maps", branch="spatial"),
    ]
    last = "R"
    for number in range(options.convs):
        symbol = f"D{_lowered(number + 1)}"
        formula = f"{symbol} = ReLU(BN(conv3×3, dilation {options.dilation}({last})))"
        name = f"Dilated convolution {number + 1}"
        steps.append(StepSite(symbol, name, formula, f"{convs}di_{number}", "maps", branch="spatial"))
        last = symbol
    final, sign = normed.format(f"conv1×1({last})"), "+" if options.fusion == "sum" else "×"
    return (
        *steps,
        StepSite("s", "Spatial logits", f"s = {final}", "spatial_att", "maps", branch="spatial"),
        StepSite("z", "Both logits, broadcast", f"z = c {sign} s", "gate.fused", "features", "mean"),
        StepSite("M", "Gate", "M = σ(z)", "gate", "features", "mean"),
        _features("F'", "Features that go out", "F' = F + F × M"),
    )


def _cbam(module: CBAM) -> tuple[StepSite, ...]:
    channel, spatial = "ChannelGate", "SpatialGate"
    return (
        _input("F"),
        StepSite("a", "Mean of channels", "a = mean of F over h, w", f"{channel}.avgpool", "vector", "", "channel"),
        StepSite("b", "Maximum of channels", "b = max of F over h, w", f"{channel}.maxpool", "vector", "", "channel"),
        StepSite("c", "Channel logits", "c = MLP(a) + MLP(b)", f"{channel}.sigmoid", "vector", "", "channel", "input"),
        StepSite("M₁", "Channel gate", "M₁ = σ(c)", f"{channel}.sigmoid", "vector", "", "channel"),
        _features("F₁", "Features, channels gated", "F₁ = F × M₁", channel),
        StepSite("P", "Maximum and mean", "P = [max F₁, mean F₁]", f"{spatial}.compress", "maps", "", "spatial"),
        StepSite("s", "Spatial logits", "s = BN(conv7×7(P))", f"{spatial}.spatial", "maps", "", "spatial"),
        StepSite("M₂", "Spatial gate", "M₂ = σ(s)", f"{spatial}.sigmoid", "maps", "", "spatial"),
        _features("F'", "Features that go out", "F' = F₁ × M₂"),
    )


def _se(module: SELayer) -> tuple[StepSite, ...]:
    return (
        _input("F"),
        StepSite("z", "Squeeze: mean of channels", "z = mean of F over h, w", "avg_pool", "vector", "", "channel"),
        StepSite("h", "Hidden layer", "h = ReLU(W₁ z)", "fc.1", "vector", "", "channel"),
        StepSite("c", "Channel logits", "c = W₂ h", "fc.2", "vector", "", "channel"),
        StepSite("M", "Excitation: channel gate", "M = σ(c)", "fc.3", "vector", "", "channel"),
        _features("F'", "Features that go out", "F' = F × M"),
    )


def _sge(module: SpatialGroupEnhance) -> tuple[StepSite, ...]:
    def groups(symbol: str, name: str, formula: str, path: str, end: Literal["output", "input"] = "output") -> StepSite:
        return StepSite(symbol, name, formula, path, "maps", end=end, whole=True)

    return (
        _input("F"),
        StepSite("g", "Mean vector of every group", "g = mean of F over h, w", "avg_pool", "vector"),
        groups("x", "Likeness of every location to it", "x = F · g, in each group", "similarity"),
        groups("n", "Likeness, normalised", "n = (x - mean x) / std x, in each group", "normalised"),
        groups("t", "Logits", "t = w n + b, one w and b per group", "sig", "input"),
        groups("M", "Gate of every group", "M = σ(t)", "sig"),
        _features("F'", "Features that go out", "F' = F × M"),
    )


def _pam(module: PositionAttention) -> tuple[StepSite, ...]:
    return (
        _input("A"),
        StepSite("B", "Query of every location", "B = conv1×1(A)", "query_conv", "features", "norm"),
        StepSite("C", "Key of every location", "C = conv1×1(A)", "key_conv", "features", "norm"),
        StepSite("D", "Value of every location", "D = conv1×1(A)", "value_conv", "features", "norm"),
        _features("E", "Features that go out", "E = γ S D + A"),
    )


def _cam(module: ChannelAttention) -> tuple[StepSite, ...]:
    return (
        _input("A"),
        StepSite("X", "Energy of every two channels", "X = A Aᵀ", "energy", "matrix"),
        StepSite("Y", "Unlike channels come first", "Y = max of the row - X", "softmax", "matrix", end="input"),
        StepSite("S", "Attention between channels", "S = softmax of each row of Y", "softmax", "matrix"),
        _features("E", "Features that go out", "E = γ S A + A"),
    )


_KINDS: tuple[tuple[type[nn.Module], str, Callable[[Any], tuple[StepSite, ...]]], ...] = (
    (BAM, "BAM", _bam),
    (CBAM, "CBAM", _cbam),
    (SELayer, "SE", _se),
    (SpatialGroupEnhance, "SGE", _sge),
    (PositionAttention, "PAM", _pam),
    (ChannelAttention, "CAM", _cam),
)


def _lowered(number: int) -> str:
    """A number as an index: ₁, ₂ ..."""
    return "".join(chr(ord("₀") + int(digit)) for digit in str(number))
