"""Attributions: hand-derived values on networks one can compute in the head, and good manners on real ones."""

import threading

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from attnviz.errors import ModelError, OptionError, RecordError
from attnviz.observe.attributions import attribute
from attnviz.observe.recorder import record

METHODS = ["grad_cam", "integrated_gradients", "saliency", "occlusion"]


class Linear(nn.Module):
    """Logits are weighted sums of the input's pixels; layer4 hands its input on."""

    def __init__(self, height: int = 4, width: int = 6) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.layer4 = nn.Identity()
        self.weight = nn.Parameter(torch.randn(2, 3, height, width, generator=generator))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("bchw,kchw->bk", self.layer4(x), self.weight)


class Pooled(nn.Module):
    """Two channels, pooled and weighed; an in-place ReLU follows the stage, as in many networks."""

    def __init__(self) -> None:
        super().__init__()
        self.layer4 = nn.Conv2d(3, 2, 2, stride=2, bias=False)
        self.layer4.weight.data = torch.zeros(2, 3, 2, 2)
        self.layer4.weight.data[0, 0] = 1.0  # channel 0: sum of red over 2 x 2
        self.layer4.weight.data[1, 1] = -1.0  # channel 1: minus the sum of green
        self.after = nn.ReLU(inplace=True)
        self.fc = nn.Linear(2, 2, bias=False)
        self.fc.weight.data = torch.tensor([[2.0, 4.0], [-2.0, 4.0]])

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.after(self.layer4(x)).mean(dim=(2, 3)))


def picture(height: int = 4, width: int = 6) -> Tensor:
    return torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(5))


def hooks(net: nn.Module) -> int:
    kept = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(module, name)) for module in net.modules() for name in kept)


# --- by hand ------------------------------------------------------------------------------------------------------


def test_saliency_of_a_linear_network_is_its_largest_weight():
    net = Linear()
    found = attribute(net, picture(), 1, "saliency")
    np.testing.assert_allclose(found.values, net.weight[1].detach().abs().amax(0).numpy(), rtol=1e-6)


def test_integrated_gradients_of_a_linear_network_are_weight_times_input():
    net = Linear()
    found = attribute(net, picture(), 0, "integrated_gradients")
    np.testing.assert_allclose(found.values, (net.weight[0] * picture()[0]).sum(0).detach().numpy(), atol=1e-6)


def test_occlusion_of_a_linear_network_is_what_the_square_holds():
    """At 8 x 8 one square of 8 covers everything: each pixel is told the whole fall of the logit."""
    net = Linear(8, 8)
    x = picture(8, 8)
    found = attribute(net, x, 0, "occlusion")
    np.testing.assert_allclose(found.values, np.full((8, 8), net(x)[0, 0].item(), np.float32), rtol=1e-5)


def test_occlusion_tells_sides_apart():
    net = Linear(8, 40)
    net.weight.data.zero_()
    net.weight.data[0, :, :, :4] = 1.0
    found = attribute(net, torch.ones(1, 3, 8, 40), 0, "occlusion").values
    np.testing.assert_allclose(found[:, :4], 96.0)  # 3 * 8 * 4 pixels of weight 1 go
    np.testing.assert_allclose(found[:, 4:8], 48.0)  # one of the two squares over these pixels covers them
    np.testing.assert_array_equal(found[:, 8:], 0.0)


def test_grad_cam_by_hand():
    """Mean gradient per channel, fc / 2 where the ReLU lets it through and 0 elsewhere, times the activation."""
    x = torch.zeros(1, 3, 2, 4)
    x[0, 0, :, :2], x[0, 0, :, 2:] = 0.25, 0.75  # channel 0 is 1 and 3
    x[0, 1, :, :2], x[0, 1, :, 2:] = 0.5, -0.5  # channel 1 is -2 and 2: the ReLU stops the left one
    # mean of fc / 2 over the locations: channel 0: 1; channel 1: (0 + 2) / 2 = 1.  Left 1 * 1 + 1 * -2, right 3 + 2.
    found = attribute(Pooled(), x, 0)
    np.testing.assert_allclose(found.values, [[0.0, 5.0]], rtol=1e-6)  # -1 is cut to 0
    # Category 1: channel 0: -1.  Left -1 - 2, right -3 + 2.
    np.testing.assert_array_equal(attribute(Pooled(), x, 1).values, [[0.0, 0.0]])


# --- on real networks ---------------------------------------------------------------------------------------------


@pytest.fixture
def net(tiny_bam):
    return tiny_bam


@pytest.fixture(autouse=True)
def _one_thread():
    """Many small forward passes: threads would wait for each other more than work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("method", METHODS)
def test_maps_of_a_network(net, method):
    found = attribute(net, picture(64, 96), 2, method)
    assert found.values.dtype == np.float32
    assert found.values.flags.c_contiguous
    assert np.isfinite(found.values).all()
    assert found.kind == "attribution"
    if method == "grad_cam":
        assert found.label == "grad_cam.stage4"
        assert (found.values.shape, found.stage, found.stride) == ((2, 3), 4, 32)
    else:
        assert found.label == method
        assert (found.values.shape, found.stage, found.stride) == ((64, 96), None, 1)
    if found.bounds[0] == 0.0:
        assert found.values.min() >= 0.0


@pytest.mark.parametrize(("stage", "grid"), [(1, (16, 24)), (2, (8, 12)), (3, (4, 6)), (4, (2, 3))])
def test_grad_cam_at_each_stage(net, stage, grid):
    found = attribute(net, picture(64, 96), 0, stage=stage)
    assert (found.values.shape, found.stride, found.stage) == (grid, 96 // grid[1], stage)


def test_integrated_gradients_add_up_to_the_change_of_the_logit(net):
    x = picture(64, 64)
    with torch.no_grad():
        change = (net(x) - net(torch.zeros_like(x)))[0, 3].item()
    total = attribute(net, x, 3, "integrated_gradients").values.sum()
    assert total == pytest.approx(change, abs=0.05 * abs(change) + 1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_batches_are_only_about_memory(net, method, monkeypatch):
    expected = attribute(net, picture(32, 40), 1, method).values
    monkeypatch.setattr("attnviz.observe.attributions._PIXELS_AT_ONCE", 3 * 32 * 40)
    np.testing.assert_allclose(attribute(net, picture(32, 40), 1, method).values, expected, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("outside", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_it_works_wherever_gradients_are_on_or_off(net, method, outside):
    expected = attribute(net, picture(32, 40), 1, method).values
    with outside():
        x = picture(32, 40)
        np.testing.assert_array_equal(attribute(net, x, 1, method).values, expected)
        assert not x.requires_grad


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_left_behind(net, method):
    x = picture(32, 40)
    before = x.clone()
    state = {name: value.clone() for name, value in net.state_dict().items()}
    net.train()
    net.layer2.eval()
    net.fc.weight.requires_grad_(False)
    net.conv1.weight.grad = torch.ones_like(net.conv1.weight)
    flags = [module.training for module in net.modules()]
    attribute(net, x, 1, method)
    assert [module.training for module in net.modules()] == flags
    assert hooks(net) == 0
    assert torch.equal(x, before)
    assert x.grad is None
    assert not x.requires_grad
    assert not net.fc.weight.requires_grad
    assert net.conv1.weight.requires_grad
    assert torch.equal(net.conv1.weight.grad, torch.ones_like(net.conv1.weight))
    assert all(p.grad is None for name, p in net.named_parameters() if name != "conv1.weight")
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_left_behind_by_a_forward_pass_that_raises(method):
    class Breaks(Pooled):
        def forward(self, x: Tensor) -> Tensor:
            super().forward(x)
            raise FloatingPointError("broken")

    net = Breaks().train()
    with pytest.raises(FloatingPointError):
        attribute(net, picture(), 0, method)
    assert hooks(net) == 0
    assert all(module.training for module in net.modules())
    assert all(p.grad is None for p in net.parameters())


def test_frozen_networks_have_attributions_too():
    net = Pooled().requires_grad_(False)
    x = torch.rand(1, 3, 4, 4)
    np.testing.assert_array_equal(attribute(net, x, 0).values, attribute(Pooled(), x, 0).values)


def test_threads_take_turns(net):
    """Without turns captum's hook on the shared network would keep whichever thread's activation came last."""
    pictures = [picture(32, 40) * scale for scale in (0.1, 1.0, 3.0)]
    expected = [attribute(net, x, 1).values for x in pictures]
    wrong = []

    def work(number: int) -> None:
        for _ in range(5):
            if not np.array_equal(attribute(net, pictures[number], 1).values, expected[number]):
                wrong.append(number)
            record(net, pictures[number])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert hooks(net) == 0


# --- refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [-1, 2, 10**9, 1.0, True, None, "cat"])
@pytest.mark.parametrize("method", METHODS)
def test_categories_that_do_not_exist(target, method):
    net = Pooled()
    with pytest.raises(OptionError, match="expected a category from 0 to 1, got "):
        attribute(net, picture(), target, method)
    assert hooks(net) == 0


@pytest.mark.parametrize(
    ("options", "words"), [({"method": "magic"}, "method"), ({"stage": 7}, "stage"), ({"stage": 0}, "stage")]
)
def test_options_that_do_not_exist(options, words):
    with pytest.raises(OptionError, match=f"expected .*{words}.*, got "):
        attribute(Pooled(), picture(), 0, **options)


@pytest.mark.parametrize("shape", [(3, 4, 6), (2, 3, 4, 6), (1, 1, 4, 6)])
def test_inputs_of_another_shape(shape):
    with pytest.raises(RecordError, match=r"expected an input of shape \(1, 3, H, W\)"):
        attribute(Pooled(), torch.zeros(shape), 0)


@pytest.mark.parametrize("method", METHODS)
def test_networks_that_are_no_classifiers(method):
    class Segments(Pooled):
        def forward(self, x: Tensor) -> Tensor:
            return self.layer4(x)

    class Several(Pooled):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return super().forward(x), super().forward(x)

    for net in (Segments(), Several()):
        with pytest.raises(RecordError, match="expected a classifier's logits"):
            attribute(net, picture(), 0, method)
        assert hooks(net) == 0


def test_a_stage_that_is_not_reached_or_no_map():
    class Skips(Pooled):
        def __init__(self) -> None:
            super().__init__()
            self.layer3 = nn.Conv2d(3, 2, 1)

    with pytest.raises(RecordError, match="to reach layer3"):
        attribute(Skips(), picture(), 0, stage=3)
    flat = Pooled()
    flat.layer4, flat.after, flat.fc = nn.Flatten(), nn.Identity(), nn.Linear(3 * 4 * 6, 2)
    flat.forward = lambda x: flat.fc(flat.layer4(x))
    with pytest.raises(RecordError, match="expected layer4 to return a tensor"):
        attribute(flat, picture(), 0)
    assert hooks(flat) == 0


@pytest.mark.parametrize("method", METHODS)
def test_numbers_that_are_none(method):
    with pytest.raises(ModelError, match="finite"):
        attribute(Linear(), picture() * float("nan"), 0, method) if method != "saliency" else attribute(
            _spoiled(), picture(), 0, method
        )


def _spoiled() -> Linear:
    net = Linear()
    net.weight.data[0, 0, 0, 0] = float("nan")
    return net


@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion"])
def test_sparing_takes_few_passes_and_says_about_the_same(tiny_net, method):
    net, x = tiny_net("BamResNet"), torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(2))
    maps, passes = [], []
    for sparing in (False, True):
        counted = []
        handle = net.register_forward_pre_hook(lambda _module, inputs, counted=counted: counted.append(len(inputs[0])))
        maps.append(attribute(net, x, 1, method, sparing=sparing).values.ravel())
        handle.remove()
        passes.append(sum(counted))
    assert passes[1] < 0.6 * passes[0]  # pictures that went through the network
    assert np.corrcoef(*maps)[0, 1] > 0.5
