"""Turn a run's average into what is shipped: safetensors of 16 or 8 bits a weight, and the card beside it.

python -m training.finish --weights average.safetensors --spec spec.json --metrics metrics.json --describe about.json \
    --name bam_resnet18 --out weights

``about.json`` holds what a person writes: title, architecture, categories, preprocessing, notes and the like.
"""

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from attnviz.models.build import build_model
from attnviz.models.sites import sites_of, views_of
from attnviz.models.weights.checkpoint import load_checkpoint, save_checkpoint

LARGEST_CHANGE = {16: 1e-2, 8: 1e-1}  # bits a weight -> of logits, relative to the largest one
WRITTEN_BY_PEOPLE = (
    "title",
    "architecture",
    "task",
    "preprocessing",
    "min_size",
    "categories",
    "source",
    "licence",
    "paper",
    "notes",
)


@torch.inference_mode()
def largest_change(first: nn.Module, second: nn.Module, size: int) -> float:
    """Largest difference of two networks' outputs on seeded noise, relative to the largest output of the first."""
    x = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    a, b = first.eval()(x), second.eval()(x)
    return float((a - b).abs().max() / a.abs().max())


def loaded(spec: dict[str, Any], values: dict[str, Tensor]) -> nn.Module:
    """Build a network and load values strictly, in float32."""
    net = build_model(spec)
    net.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in values.items()}, strict=True)
    return net


def finish(
    *,
    weights: Path,
    spec: dict[str, Any],
    metrics: dict[str, float],
    about: dict[str, Any],
    name: str,
    out: Path,
    bits: int = 16,
) -> Path:
    """Write ``out/name.safetensors`` with so many bits a weight, 16 or 8, and ``out/name.json``.

    Returns:
        The card's path.

    Raises:
        ValueError: `about` lacks a field or has an unknown one, or rounding changes the outputs too much.
        CheckpointError: A value is beyond fp16's range.
    """
    if set(about) != set(WRITTEN_BY_PEOPLE):
        raise ValueError(f"expected the fields {sorted(WRITTEN_BY_PEOPLE)} in the description, got {sorted(about)}")
    full = load_file(weights)
    net = loaded(spec, full)
    file = out / f"{name}.safetensors"
    save_checkpoint(net, file, eight_bits=bits == 8)
    change = largest_change(net, load_checkpoint(file), 128)
    if not change < LARGEST_CHANGE[bits]:
        file.unlink()
        raise ValueError(
            f"expected {bits} bits to change outputs by less than {LARGEST_CHANGE[bits]}, got {change:.4f}"
        )
    file.chmod(0o644)
    content = file.read_bytes()
    card = {
        "name": name,
        "title": about["title"],
        "file": file.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        **{k: about[k] for k in WRITTEN_BY_PEOPLE if k != "title"},
        "config": spec,
        "views": views_of(sites_of(net)),
        "metrics": {
            **metrics,
            f"largest change of the outputs by {bits} bits a weight, relative to fp32": round(change, 5),
        },
        "parameters": sum(p.numel() for p in net.parameters()),
    }
    path = out / f"{name}.json"
    path.write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n")
    return path


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Write safetensors of 16 or 8 bits a weight, and their card.")
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--spec", type=Path, required=True)
    parser.add_argument("--metrics", type=Path, required=True)
    parser.add_argument("--describe", type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--bits", type=int, choices=sorted(LARGEST_CHANGE), default=16, help="of a weight in the file")
    args = parser.parse_args(argv)
    spec, metrics, about = (json.loads(p.read_text()) for p in (args.spec, args.metrics, args.describe))
    finish(weights=args.weights, spec=spec, metrics=metrics, about=about, name=args.name, out=args.out, bits=args.bits)


if __name__ == "__main__":
    main()
