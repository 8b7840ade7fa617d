import numpy as np
import torch

from attnviz.measure.module_features import features_around
from tests.observe.own_networks import Vit, seeded


def test_features_around_the_position_attention_are_what_the_module_gets_and_gives(tiny_net):
    net, x = tiny_net("DANet"), torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    found = features_around(net, x)
    assert list(found) == ["position"]
    before, after = found["position"]
    with torch.no_grad():
        expected = net.head.conv5a(net.pretrained(x))
        assert np.allclose(before, expected[0], atol=1e-5)
        assert np.allclose(after, net.head.sa(expected)[0], atol=1e-5)
    assert not any(module._forward_hooks for module in net.modules())


def test_of_a_network_without_sites_nothing_is_known(tiny_net):
    assert features_around(seeded(Vit, "after"), torch.zeros(1, 3, 64, 64)) == {}
    assert features_around(tiny_net("BamResNet"), torch.zeros(1, 3, 64, 64)) == {}
