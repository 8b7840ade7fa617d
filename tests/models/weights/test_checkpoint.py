import pytest
import torch

from attnviz.errors import CheckpointError
from attnviz.models.weights.checkpoint import load_checkpoint, save_checkpoint


@pytest.mark.parametrize(
    "header",
    [
        "[]",
        "7",
        "{",
        '"BamResNet"',
        '{"architecture": "BamResNet"}',
        '{"architecture": "BamResNet", "trunk": 5, "bams": [], "num_classes": 5}',
        '{"architecture": "BamResNet", "trunk": {"width": 1e300}, "bams": [{}, {}, {}], "num_classes": 5}',
        '{"architecture": "BamResNet", "trunk": {"width": 1000000000}, "bams": [{}, {}, {}], "num_classes": 5}',
        '{"architecture": "BamResNet", "trunk": {}, "bams": [{}, {}, {}], "num_classes": 99999999999999999999}',
        '{"architecture": "BamResNet", "trunk": {}, "bams": [{"convs": 1000000000}, {}, {}], "num_classes": 5}',
        '{"architecture": "Evil", "trunk": {}}',
        "[" * 100_000,
    ],
)
def test_a_damaged_description_in_a_header_is_refused(tmp_path, tiny_bam, header):
    from safetensors.torch import save_file

    save_file(tiny_bam.state_dict(), tmp_path / "x.safetensors", metadata={"attnviz": header})
    with pytest.raises(CheckpointError):
        load_checkpoint(tmp_path / "x.safetensors")


def test_what_was_saved_is_loaded(tmp_path, tiny_bam, tiny_danet):
    for net in (tiny_bam, tiny_danet):
        save_checkpoint(net, tmp_path / "x.safetensors", torch.float32)
        loaded = load_checkpoint(tmp_path / "x.safetensors")
        assert loaded.config == net.config
        assert all(torch.equal(value, net.state_dict()[name]) for name, value in loaded.state_dict().items())
        assert [path.name for path in tmp_path.iterdir()] == ["x.safetensors"]


def test_a_number_too_large_for_half_precision_is_not_saved(tmp_path, tiny_bam):
    with torch.no_grad():
        tiny_bam.fc.weight[0, 0] = 1e6
    with pytest.raises(CheckpointError, match=r"fc\.weight"):
        save_checkpoint(tiny_bam, tmp_path / "x.safetensors")
    assert list(tmp_path.iterdir()) == []
