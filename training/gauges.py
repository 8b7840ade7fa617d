"""Held-out photos that tell how a run is doing: agreement with the teacher, and Imagenette's validation set.

    python -m training.gauges --photos DATA --imagenette RAW/imagenette/val --out GAUGES

Writes ``held_out.npz``: views uint8 (N, 224, 224, 3) of photos that training never draws and the teacher's logits
float16 (N, 1000), and ``imagenette.npz``: views and labels int64 (M,) among the 1,000 categories.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.augment import standardise, to_float
from training.label import BATCH, two_sizes
from training.photos import ENDINGS, View, as_rgb, cut, load_photos
from training.teacher import SIZES, load_teacher

SIZE = 224
CENTRE = SIZE / 256  # share of the sides that a centre view keeps
STRETCH = 1.15  # width over height that a squashed photo is given back
IMAGENETTE = {
    "n01440764": 0, "n02102040": 217, "n02979186": 482, "n03000684": 491, "n03028079": 497,
    "n03394916": 566, "n03417042": 569, "n03425413": 571, "n03445777": 574, "n03888257": 701,
}  # fmt: skip


def centre_view(photo: int, squashed: bool) -> View:
    """The middle of a photo, square once a squashed photo is stretched back."""
    width, height = CENTRE / (STRETCH if squashed else 1.0), CENTRE
    return View(photo, ((1 - width) / 2, (1 - height) / 2, (1 + width) / 2, (1 + height) / 2), flip=False)


def gauge(net: nn.Module, folder: Path, batch: int = 100) -> dict[str, float]:
    """Percentages on the held-out photos, in bf16.

    Args:
        net: Classifier of the 1,000 categories.
        folder: Written by this module.
        batch: Views per forward.

    Returns:
        ``agreement``: first category is the teacher's; ``in five``: the teacher's first is among the first five;
        ``balanced`` and ``balanced in five``: the same with every category that the teacher names counting alike;
        ``imagenette``: right among 1,000; ``of ten``: right among Imagenette's own.
    """
    with np.load(folder / "held_out.npz") as held, np.load(folder / "imagenette.npz") as nette:
        mine, teacher = answers(net, held["views"], batch), torch.from_numpy(held["logits"]).float()
        theirs, labels = answers(net, nette["views"], batch), torch.from_numpy(nette["labels"])
    best, ten = teacher.argmax(1), torch.tensor(sorted(IMAGENETTE.values()))
    flags = {
        "agreement": mine.argmax(1) == best,
        "in five": (mine.topk(5).indices == best[:, None]).any(1),
        "imagenette": theirs.argmax(1) == labels,
        "of ten": ten[theirs[:, ten].argmax(1)] == labels,
    }
    found = {name: round(100 * float(right.float().mean()), 2) for name, right in flags.items()}
    return found | {
        f"balanced{name}": alike(flags[of], best) for name, of in (("", "agreement"), (" in five", "in five"))
    }


def alike(right: Tensor, categories: Tensor) -> float:
    """Percentage of right answers, bool (N,), the mean over categories, int64 (N,), that occur."""
    return round(100 * float(np.mean([right[categories == k].float().mean().item() for k in categories.unique()])), 2)


@torch.inference_mode()
def answers(net: nn.Module, views: NDArray[np.uint8], batch: int) -> Tensor:
    """Logits float32 (N, K) of views uint8 (N, S, S, 3)."""
    net.eval()
    found = []
    for part in torch.from_numpy(views).split(batch):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found.append(net(standardise(to_float(part)).contiguous(memory_format=torch.channels_last)).float())
    return torch.cat(found)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Label held-out photos for training to be gauged on.")
    parser.add_argument("--photos", type=Path, required=True, help="folder written by training.photos")
    parser.add_argument("--imagenette", type=Path, required=True, help="its folder val")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=2000, help="of photos of each kind at most")
    parser.add_argument("--teacher", type=int, default=0, choices=sorted(SIZES))
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)
    photos, teacher = load_photos(options.photos), load_teacher(options.teacher, BATCH, 1)
    chosen = np.flatnonzero(photos.held_out)
    chosen = chosen[np.linspace(0, len(chosen) - 1, min(options.count, len(chosen))).astype(int)]
    seen, logits = [], []
    for start in range(0, len(chosen), BATCH):
        part = [centre_view(int(i), bool(photos.squashed[i])) for i in chosen[start : start + BATCH]]
        small, large = zip(*(two_sizes(photos, view, SIZE, SIZES[options.teacher]) for view in part), strict=True)
        seen.append(np.stack(small))
        logits.append(teacher(np.stack(large)).astype(np.float16))
    np.savez(options.out / "held_out.npz", views=np.concatenate(seen), logits=np.concatenate(logits))
    files = sorted(p for p in options.imagenette.rglob("*") if p.suffix.lower() in ENDINGS)
    files = [files[i] for i in np.linspace(0, len(files) - 1, min(options.count, len(files))).astype(int)]
    views = np.stack([cut(as_rgb(path), View(0, (0.0, 0.0, 1.0, 1.0), flip=False), SIZE) for path in files])
    labels = np.array([IMAGENETTE[path.parent.name] for path in files])
    np.savez(options.out / "imagenette.npz", views=views, labels=labels)


if __name__ == "__main__":
    main()
