"""Other people's checkpoints, made here: full listings of names and shapes, and their forward passes, written from the
publishers' descriptions alone. Nothing here knows the package under test.
"""

import torch
from torch import Tensor
from torch.nn import functional

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
State = dict[str, Tensor]


# --- names and shapes -------------------------------------------------------------------------------------------------


class Listing(dict[str, tuple[int, ...]]):
    """Names and shapes, in the order a publisher's network registers them."""

    def conv(self, name, inputs, outputs, kernel, bias=False):
        self[f"{name}.weight"] = (outputs, inputs, kernel, kernel)
        if bias:
            self[f"{name}.bias"] = (outputs,)

    def linear(self, name, inputs, outputs):
        self[f"{name}.weight"] = (outputs, inputs)
        self[f"{name}.bias"] = (outputs,)

    def norm(self, name, channels):
        for part in ("weight", "bias", "running_mean", "running_var"):
            self[f"{name}.{part}"] = (channels,)
        self[f"{name}.num_batches_tracked"] = ()


def torchvision_trunk(names, depth, width, prefix="", extra=None, stem=None):
    """Stem and stages as torchvision names them; `extra(names, path, channels)` adds to every block."""
    if stem is None:
        names.conv(f"{prefix}conv1", 3, width, 7)
        names.norm(f"{prefix}bn1", width)
        inputs = width
    else:
        inputs = stem(names)
    expansion = 4 if depth >= 50 else 1
    for stage, count in enumerate(BLOCKS[depth], start=1):
        planes = width * 2 ** (stage - 1)
        for block in range(count):
            path = f"{prefix}layer{stage}.{block}"
            if expansion == 4:
                shape = ((inputs, planes, 1), (planes, planes, 3), (planes, planes * 4, 1))
            else:
                shape = ((inputs, planes, 3), (planes, planes, 3))
            for i, (a, b, kernel) in enumerate(shape, start=1):
                names.conv(f"{path}.conv{i}", a, b, kernel)
                names.norm(f"{path}.bn{i}", b)
            if inputs != planes * expansion or (block == 0 and stage > 1):
                names.conv(f"{path}.downsample.0", inputs, planes * expansion, 1)
                names.norm(f"{path}.downsample.1", planes * expansion)
            inputs = planes * expansion
            if extra is not None:
                extra(names, path, inputs)
    return inputs


def authors_bam(depth, width=64, classes=1000):
    """github.com/Jongchan/attention-module with att_type BAM."""
    names = Listing()
    features = torchvision_trunk(names, depth, width)
    for number in (1, 2, 3):
        channels = features // 8 * 2 ** (number - 1)
        hidden = channels // 16
        at = f"bam{number}.channel_att.gate_c.gate_c_"
        names.linear(f"{at}fc_0", channels, hidden)
        names.norm(f"{at}bn_1", hidden)
        names.linear(f"{at}fc_final", hidden, channels)
        at = f"bam{number}.spatial_att.gate_s.gate_s_"
        names.conv(f"{at}conv_reduce0", channels, hidden, 1, bias=True)
        names.norm(f"{at}bn_reduce0", hidden)
        for i in (0, 1):
            names.conv(f"{at}conv_di_{i}", hidden, hidden, 3, bias=True)
            names.norm(f"{at}bn_di_{i}", hidden)
        names.conv(f"{at}conv_final", hidden, 1, 1, bias=True)
    names.linear("fc", features, classes)
    return names


def _cbam(names, path, channels):
    names.linear(f"{path}.cbam.ChannelGate.mlp.1", channels, channels // 16)
    names.linear(f"{path}.cbam.ChannelGate.mlp.3", channels // 16, channels)
    names.conv(f"{path}.cbam.SpatialGate.spatial.conv", 2, 1, 7)
    names.norm(f"{path}.cbam.SpatialGate.spatial.bn", 1)


def _sge(groups):
    def add(names, path, channels):
        names[f"{path}.sge.weight"] = (1, groups, 1, 1)
        names[f"{path}.sge.bias"] = (1, groups, 1, 1)

    return add


def _se(names, path, channels):
    names.linear(f"{path}.se.fc.0", channels, channels // 16)
    names.linear(f"{path}.se.fc.2", channels // 16, channels)


def authors_cbam(depth, width=64, classes=1000):
    """github.com/Jongchan/attention-module with att_type CBAM, and PytorchInsight's."""
    return _in_blocks(depth, width, classes, _cbam)


def insight_sge(depth, width=64, classes=1000, groups=64):
    """github.com/implus/PytorchInsight, resnet_sge."""
    return _in_blocks(depth, width, classes, _sge(groups))


def insight_se(depth, width=64, classes=1000):
    """github.com/implus/PytorchInsight, resnet_se."""
    return _in_blocks(depth, width, classes, _se)


def plain_resnet(depth, width=64, classes=1000):
    """torchvision's ResNet: no attention at all."""
    return _in_blocks(depth, width, classes, None)


def _in_blocks(depth, width, classes, extra):
    names = Listing()
    features = torchvision_trunk(names, depth, width, extra=extra)
    names.linear("fc", features, classes)
    return names


def authors_danet(depth, width=64, classes=19):
    """github.com/junfu1115/DANet with --no-deepstem."""
    names = Listing()
    features = torchvision_trunk(names, depth, width, prefix="pretrained.")
    channels = features // 4
    for branch in "ac":
        names.conv(f"head.conv5{branch}.0", features, channels, 3)
        names.norm(f"head.conv5{branch}.1", channels)
    names["head.sa.gamma"] = (1,)
    names.conv("head.sa.query_conv", channels, channels // 8, 1, bias=True)
    names.conv("head.sa.key_conv", channels, channels // 8, 1, bias=True)
    names.conv("head.sa.value_conv", channels, channels, 1, bias=True)
    names["head.sc.gamma"] = (1,)
    for branch in "12":
        names.conv(f"head.conv5{branch}.0", channels, channels, 3)
        names.norm(f"head.conv5{branch}.1", channels)
    for i in (6, 7, 8):
        names.conv(f"head.conv{i}.1", channels, classes, 1, bias=True)
    return names


def mmseg_danet(depth, width=64, classes=19, channels=512, queries=64):
    """mmsegmentation 0.x, configs/_base_/models/danet_r50-d8.py."""
    names = Listing()

    def stem(names):
        for i, (a, b) in zip((0, 3, 6), ((3, width // 2), (width // 2, width // 2), (width // 2, width)), strict=True):
            names.conv(f"backbone.stem.{i}", a, b, 3)
            names.norm(f"backbone.stem.{i + 1}", b)
        return width

    features = torchvision_trunk(names, depth, width, prefix="backbone.", stem=stem)
    names.conv("decode_head.conv_seg", channels, classes, 1, bias=True)
    for branch in ("pam", "cam"):
        names.conv(f"decode_head.{branch}_in_conv.conv", features, channels, 3)
        names.norm(f"decode_head.{branch}_in_conv.bn", channels)
        if branch == "pam":
            names.conv("decode_head.pam.key_project", channels, queries, 1, bias=True)
            names.conv("decode_head.pam.query_project", channels, queries, 1, bias=True)
            names.conv("decode_head.pam.value_project", channels, channels, 1, bias=True)
        names[f"decode_head.{branch}.gamma.scale"] = ()
        names.conv(f"decode_head.{branch}_out_conv.conv", channels, channels, 3)
        names.norm(f"decode_head.{branch}_out_conv.bn", channels)
        names.conv(f"decode_head.{branch}_conv_seg", channels, classes, 1, bias=True)
    names.conv("auxiliary_head.conv_seg", width * 4, classes, 1, bias=True)
    names.conv("auxiliary_head.convs.0.conv", features // 2, width * 4, 3)
    names.norm("auxiliary_head.convs.0.bn", width * 4)
    return names


def filled(listing, seed=0) -> State:
    """Random numbers that keep a deep network's activations in range, and no part of it idle."""
    generator = torch.Generator().manual_seed(seed)
    state: State = {}
    for name, shape in listing.items():
        noise = torch.randn(shape, generator=generator)
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(4321)
        elif name.endswith("running_var"):
            state[name] = noise.abs() + 0.5
        elif name.endswith(("gamma", "gamma.scale")):
            state[name] = noise * 0 + 0.6
        elif ".sge." in name:
            state[name] = noise
        elif len(shape) > 1:
            state[name] = noise * (2 / torch.Size(shape[1:]).numel()) ** 0.5
        elif name.endswith("weight"):
            state[name] = 1 + 0.2 * noise
        else:
            state[name] = 0.1 * noise
    return state


# --- forward passes ---------------------------------------------------------------------------------------------------


class Net:
    """Layers looked up by name in a state, evaluated as in evaluation mode."""

    def __init__(self, state: State) -> None:
        self.state = state

    def conv(self, x, name, stride=1, padding=0, dilation=1):
        bias = self.state.get(f"{name}.bias")
        return functional.conv2d(x, self.state[f"{name}.weight"], bias, stride, padding, dilation)

    def linear(self, x, name):
        return functional.linear(x, self.state[f"{name}.weight"], self.state[f"{name}.bias"])

    def norm(self, x, name):
        s = self.state
        shape = (1, -1) + (1,) * (x.ndim - 2)
        mean, var = s[f"{name}.running_mean"].view(shape), s[f"{name}.running_var"].view(shape)
        return (x - mean) / (var + 1e-5).sqrt() * s[f"{name}.weight"].view(shape) + s[f"{name}.bias"].view(shape)

    def stage(self, x, path, stride=1, dilations=None, attend=None):
        count = 1 + max(int(k.removeprefix(f"{path}.").split(".")[0]) for k in self.state if k.startswith(f"{path}."))
        for block in range(count):
            at, step = f"{path}.{block}", stride if block == 0 else 1
            dilation = 1 if dilations is None else dilations[block % len(dilations)]
            identity = x
            if f"{at}.downsample.0.weight" in self.state:
                identity = self.norm(self.conv(x, f"{at}.downsample.0", step), f"{at}.downsample.1")
            if f"{at}.conv3.weight" in self.state:
                y = self.norm(self.conv(x, f"{at}.conv1"), f"{at}.bn1").relu()
                y = self.norm(self.conv(y, f"{at}.conv2", step, dilation, dilation), f"{at}.bn2").relu()
                y = self.norm(self.conv(y, f"{at}.conv3"), f"{at}.bn3")
            else:
                y = self.norm(self.conv(x, f"{at}.conv1", step, 1), f"{at}.bn1").relu()
                y = self.norm(self.conv(y, f"{at}.conv2", 1, 1), f"{at}.bn2")
            if attend is not None:
                y = attend(y, at)
            x = (y + identity).relu()
        return x

    def stem(self, x, prefix=""):
        x = self.norm(self.conv(x, f"{prefix}conv1", 2, 3), f"{prefix}bn1").relu()
        return functional.max_pool2d(x, 3, 2, 1)

    def bam(self, x, name):
        at = f"{name}.channel_att.gate_c.gate_c_"
        channel = self.norm(self.linear(x.mean((2, 3)), f"{at}fc_0"), f"{at}bn_1").relu()
        channel = self.linear(channel, f"{at}fc_final")[:, :, None, None]
        at = f"{name}.spatial_att.gate_s.gate_s_"
        spatial = self.norm(self.conv(x, f"{at}conv_reduce0"), f"{at}bn_reduce0").relu()
        for i in (0, 1):
            spatial = self.norm(self.conv(spatial, f"{at}conv_di_{i}", 1, 4, 4), f"{at}bn_di_{i}").relu()
        spatial = self.conv(spatial, f"{at}conv_final")
        return x * (1 + torch.sigmoid(channel * spatial))

    def cbam(self, x, at):
        pooled = (x.mean((2, 3)), x.amax((2, 3)))
        at = f"{at}.cbam."
        logit = sum(
            self.linear(self.linear(p, f"{at}ChannelGate.mlp.1").relu(), f"{at}ChannelGate.mlp.3") for p in pooled
        )
        x = x * torch.sigmoid(logit)[:, :, None, None]
        both = torch.stack((x.max(dim=1).values, x.mean(dim=1)), dim=1)
        spatial = self.norm(self.conv(both, f"{at}SpatialGate.spatial.conv", 1, 3), f"{at}SpatialGate.spatial.bn")
        return x * torch.sigmoid(spatial)

    def sge(self, x, at):
        weight, bias = self.state[f"{at}.sge.weight"], self.state[f"{at}.sge.bias"]
        groups = weight.shape[1]
        gated = []
        for g, part in enumerate(x.chunk(groups, dim=1)):  # the paper's equations, a group at a time
            similarity = torch.einsum("bchw,bc->bhw", part, part.mean((2, 3)))
            mean = similarity.mean((1, 2), keepdim=True)
            std = similarity.flatten(1).std(dim=1, unbiased=True)[:, None, None]
            normal = (similarity - mean) / (std + 1e-5)
            gated.append(part * torch.sigmoid(normal * weight[0, g] + bias[0, g])[:, None])
        return torch.cat(gated, dim=1)

    def se(self, x, at):
        gate = self.linear(self.linear(x.mean((2, 3)), f"{at}.se.fc.0").relu(), f"{at}.se.fc.2")
        return x * torch.sigmoid(gate)[:, :, None, None]

    def position(self, x, query, key, value, gamma):
        q, k, v = (self.conv(x, name).flatten(2) for name in (query, key, value))
        attention = torch.softmax(torch.einsum("bcn,bcm->bnm", q, k), dim=-1)
        return self.state[gamma] * torch.einsum("bnm,bcm->bcn", attention, v).view_as(x) + x

    def channel(self, x, gamma):
        flat = x.flatten(2)
        energy = flat @ flat.mT
        attention = torch.softmax(energy.max(dim=-1, keepdim=True).values - energy, dim=-1)
        return self.state[gamma] * (attention @ flat).view_as(x) + x


def forward_classifier(state: State, x: Tensor) -> Tensor:
    """Logits of a classifier with torchvision's names and whatever attention its names tell of."""
    net = Net(state)
    kinds = {"cbam": net.cbam, "sge": net.sge, "se": net.se}
    attend = next((kinds[kind] for kind in kinds if any(f".{kind}." in name for name in state)), None)
    x = net.stem(x)
    for stage in (1, 2, 3, 4):
        x = net.stage(x, f"layer{stage}", 1 if stage == 1 else 2, attend=attend)
        if f"bam{stage}.channel_att.gate_c.gate_c_fc_0.weight" in state:
            x = net.bam(x, f"bam{stage}")
    return net.linear(x.mean((2, 3)), "fc")


def forward_authors_danet(state: State, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Logits of the authors' DANet101: stage 3 dilated by 1 then 2, stage 4 by 4, 8, 16, corners aligned."""
    net, size = Net(state), x.shape[2:]
    x = net.stage(net.stem(x, "pretrained."), "pretrained.layer1")
    x = net.stage(x, "pretrained.layer2", 2)
    x = net.stage(x, "pretrained.layer3", dilations=(1, *(2,) * 40))
    x = net.stage(x, "pretrained.layer4", dilations=(4, 8, 16))

    def conv(y, name):
        return net.norm(net.conv(y, f"head.{name}.0", 1, 1), f"head.{name}.1").relu()

    names = (f"head.sa.{part}_conv" for part in ("query", "key", "value"))
    position = conv(net.position(conv(x, "conv5a"), *names, "head.sa.gamma"), "conv51")
    channel = conv(net.channel(conv(x, "conv5c"), "head.sc.gamma"), "conv52")
    logits = ((position + channel, "conv8"), (position, "conv6"), (channel, "conv7"))
    return tuple(
        functional.interpolate(net.conv(y, f"head.{name}.1"), size, mode="bilinear", align_corners=True)
        for y, name in logits
    )


def forward_mmseg_danet(state: State, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Logits of mmsegmentation's DANet: dilations 1, 1, 2, 4, contracted, corners not aligned."""
    net, size = Net(state), x.shape[2:]
    for i, stride in ((0, 2), (3, 1), (6, 1)):
        x = net.norm(net.conv(x, f"backbone.stem.{i}", stride, 1), f"backbone.stem.{i + 1}").relu()
    x = functional.max_pool2d(x, 3, 2, 1)
    x = net.stage(x, "backbone.layer1")
    x = net.stage(x, "backbone.layer2", 2)
    x = net.stage(x, "backbone.layer3", dilations=(1, *(2,) * 40))
    x = net.stage(x, "backbone.layer4", dilations=(2, 4, 4))

    def conv(y, name):
        return net.norm(net.conv(y, f"decode_head.{name}.conv", 1, 1), f"decode_head.{name}.bn").relu()

    names = (f"decode_head.pam.{part}_project" for part in ("query", "key", "value"))
    position = conv(net.position(conv(x, "pam_in_conv"), *names, "decode_head.pam.gamma.scale"), "pam_out_conv")
    channel = conv(net.channel(conv(x, "cam_in_conv"), "decode_head.cam.gamma.scale"), "cam_out_conv")
    logits = ((position + channel, "conv_seg"), (position, "pam_conv_seg"), (channel, "cam_conv_seg"))
    return tuple(
        functional.interpolate(net.conv(y, f"decode_head.{name}"), size, mode="bilinear", align_corners=False)
        for y, name in logits
    )


def doubled(state: State) -> State:
    """In double precision, where two ways to compute one thing agree however deep the network is."""
    return {name: value.double() if value.is_floating_point() else value for name, value in state.items()}


def relative(ours: Tensor, theirs: Tensor) -> float:
    """Largest difference as a share of the largest value."""
    assert ours.shape == theirs.shape
    assert float(theirs.abs().max()) > 0
    return float((ours - theirs).abs().max() / theirs.abs().max())
