"""Teach a shipped network the categories of a folder of your own photos.

    python -m training.finetune DIR --family bam --out my-weights
    ATTNVIZ_WEIGHTS=my-weights python app.py

DIR holds a folder of photos per category. A fifth of the photos (by checksum of their paths) is held out to measure on.
Stage 4 and a new classifier are trained, at once with the gates if ``--gates`` is given; what comes before keeps its
weights, and all norms keep their statistics: a few dozen photos a category are too few for more. Run the same command
again after an interruption. Twenty epochs of 500 photos take about five minutes on two cores.
"""

import argparse
import json
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from attnviz.models.build import build_model
from training.arrays import Draw, Pictures, seeded, take
from training.augment import random_crops, whole
from training.finish import WRITTEN_BY_PEOPLE, finish
from training.photos import ENDINGS, View, as_rgb, cut
from training.progress import ProgressBar
from training.run_state import Budget, Run, WeightAverage, save_result, train

WEIGHTS = Path("weights")
FAMILIES = {family: f"{family}_resnet18" for family in ("bam", "sge", "cbam", "se")}
HELD_OUT = 5  # every so many-th photo
KEPT_OVER_SEEN = 256 / 224  # side of the squares kept over that of a crop
SMALLEST_CROP = 0.4


def read_folder(folder: Path, side: int) -> tuple[Pictures, Pictures, list[str]]:
    """Read a folder of photos per category, as squares: the whole photo, squashed.

    Args:
        folder: Holds the folders; hidden ones are passed over.
        side: Of the squares, in pixels.

    Returns:
        The photos to learn from, those held out, and the categories' names.

    Raises:
        ValueError: Fewer than two categories, or one without a photo to learn from.
    """
    names = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    found = [
        (path, label)
        for label, name in enumerate(names)
        for path in sorted((folder / name).rglob("*"))
        if path.suffix.lower() in ENDINGS
    ]
    out = np.array([zlib.crc32(p.relative_to(folder).as_posix().encode()) % HELD_OUT == 0 for p, _ in found], bool)
    labels = torch.tensor([label for _, label in found], dtype=torch.int64)
    learned = set(labels[torch.from_numpy(~out)].tolist())
    if len(names) < 2 or len(learned) < len(names):
        raise ValueError(f"expected two folders of photos or more in {folder}, got photos of {len(learned)}")
    whole_view = View(0, (0.0, 0.0, 1.0, 1.0), flip=False)
    images = torch.from_numpy(np.stack([cut(as_rgb(p), whole_view, side) for p, _ in tqdm(found, desc="photos")]))
    split = [Pictures(images[torch.from_numpy(mask)], labels[torch.from_numpy(mask)]) for mask in (~out, out)]
    return split[0], split[1], names


def with_new_classifier(card: dict[str, Any], weights: Path, categories: int) -> nn.Module:
    """The network of a card with its weights, but for the classifier, which starts at zero for other categories."""
    net = build_model({**card["config"], "num_classes": categories})
    given = {k: v.float() if v.is_floating_point() else v for k, v in load_file(weights).items()}
    fresh = {"fc.weight": torch.zeros_like(net.fc.weight), "fc.bias": torch.zeros(categories)}  # type: ignore[arg-type, union-attr]
    net.load_state_dict({**given, **fresh}, strict=True)
    return net


def choose_trained(net: nn.Module, rate: float, *, gates: bool) -> list[dict[str, Any]]:
    """Freeze all but stage 4, the classifier and, if asked for, the gates; ten times the rate for the classifier."""
    groups: list[dict[str, Any]] = []
    for name, parameter in net.named_parameters():
        top = name.split(".")[0]
        trained = top in ("layer4", "fc") or (gates and top.startswith("bam"))
        parameter.requires_grad_(trained)
        if trained:
            own = 10 * rate if top == "fc" else rate
            groups.append({"params": [parameter], "lr": own, "base_lr": own})
    return groups


def make_loss(net: nn.Module, photos: Pictures, batch: int, size: int, seed: int) -> Callable[[int, float], Tensor]:
    """Return (step, progress) -> loss of the batch that belongs to the step."""
    draw = Draw(len(photos), min(batch, len(photos)), seed)

    def compute(step: int, _progress: float) -> Tensor:
        net.eval()  # norms keep their statistics
        images, labels = take(photos, draw(step))
        x = random_crops(images, size, seeded(seed, 1, step), smallest=SMALLEST_CROP)
        return functional.cross_entropy(net(x).float(), labels, label_smoothing=0.1)

    return compute


@torch.inference_mode()
def accuracy(net: nn.Module, photos: Pictures, size: int) -> float:
    """Share of photos whose first category is right, in %; nan without photos."""
    net.eval()
    right = [net(whole(part, size)).argmax(1) for part in photos.images.split(50)]
    return 100 * float((torch.cat(right) == photos.labels).float().mean()) if right and len(photos) else float("nan")


def describe(card: dict[str, Any], names: list[str], photos: int) -> dict[str, Any]:
    """What a person would write on the new network's card."""
    about = {field: card[field] for field in WRITTEN_BY_PEOPLE}
    title = f"{card['title'].split('·')[0].strip()} · {len(names)} categories of your own"
    source = f"fine-tuned on {photos} photos from {card['name']} ({card['source']})"
    return {**about, "title": title, "categories": names, "source": source}


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Fine-tune a shipped network on a folder of photos per category.")
    parser.add_argument("photos", type=Path, help="folder that holds a folder of photos per category")
    parser.add_argument("--family", choices=sorted(FAMILIES), default="bam")
    parser.add_argument("--start", type=Path, help="card (.json) of the weights to start from, instead of the family's")
    parser.add_argument("--out", type=Path, default=Path("my-weights"), help="folder for weights, card and checkpoint")
    parser.add_argument("--name", help="of the new weights; by default the folder's and the family's")
    parser.add_argument("--epochs", type=float, default=20)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=1e-4)
    parser.add_argument("--gates", action="store_true", help="train the gates of a BAM too")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    options = parse(argv)
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    card_file = options.start or WEIGHTS / f"{FAMILIES[options.family]}.json"
    card = json.loads(card_file.read_text())
    size = int(card["preprocessing"]["size"])
    learned, held_out, names = read_folder(options.photos, round(size * KEPT_OVER_SEEN))
    net = with_new_classifier(card, card_file.parent / card["file"], len(names))
    optimizer = torch.optim.AdamW(choose_trained(net, options.rate, gates=options.gates), weight_decay=0.01)
    name = options.name or f"{options.photos.resolve().name}_{options.family}"
    work = options.out / f".{name}"
    work.mkdir(parents=True, exist_ok=True)
    steps = max(1, round(options.epochs * len(learned) / min(options.batch, len(learned))))
    asked = {"start": card["sha256"], "photos": len(learned), "names": names, "rate": options.rate, "steps": steps}
    run = Run(net, optimizer, WeightAverage(net, 0.99), Budget(steps=steps), asked)
    if (work / "checkpoint.pt").exists():
        run.resume(work / "checkpoint.pt")
    with ProgressBar(hidden=False) as bar:
        loss = make_loss(net, learned, options.batch, size, options.seed)
        train(run, loss, work / "checkpoint.pt", save_every=60, on_step=bar.show)
    net.load_state_dict(run.average.values, strict=True)
    save_result(net, work)
    found = {f"top-1 (%), {len(held_out)} photos held out, {size} px": round(accuracy(net, held_out, size), 2)}
    finish(
        weights=work / "average.safetensors",
        spec=net.config,  # type: ignore[arg-type]
        metrics=found if len(held_out) else {},
        about=describe(card, names, len(learned)),
        name=name,
        out=options.out,
    )
    print(f"{options.out / name}.safetensors: {found}. Look at it with ATTNVIZ_WEIGHTS={options.out} python app.py")


if __name__ == "__main__":
    main()
