"""Measure the shipped networks' attention on held-out data and write the tables of docs/evidence.md.

    python -m docs.make_evidence --data DATA --work WORK

DATA holds the public sets as `docs/evidence.md` says, WORK what was measured: run again, it goes on. With ``--sets`` or
``--models`` the other tables stay as they are, but for those of weights that there are no longer; the words over them
follow the tables. Needs ``scipy`` for OSIE's fixations.
"""

import argparse
import csv
import re
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

from attnviz.measure.datasets import Item, read_items
from attnviz.measure.evaluate import evaluate
from attnviz.measure.tables import ANSWERS, FOCUS, OBJECTS, PEOPLE, POSITIONS, Row, as_markdown, rows_of
from attnviz.models.weights.card import ModelCard
from attnviz.models.weights.registry import list_models, load_model
from docs.evidence_cards import PAGE, write_cards
from docs.evidence_words import merged, worded, words_on
from training.everyday_masks import CLASSES, is_held_out, msrc
from training.pack import CAMVID_CATEGORIES

_PLACES = ("effective_gain", "spatial_gate", "group_gate", "query")  # kinds of sites with a number for each place
LARGEST_OBJECT = 0.6  # of the photo: around larger ones little is left outside
IMAGENETTE = {
    **{"n01440764": "tench", "n02102040": "English springer", "n02979186": "cassette player", "n03000684": "chain saw"},
    **{"n03028079": "church", "n03394916": "French horn", "n03417042": "garbage truck", "n03425413": "gas pump"},
    **{"n03445777": "golf ball", "n03888257": "parachute"},
}


@dataclass(frozen=True)
class DataSet:
    """One set of photos to measure on.

    Attributes:
        title: For people.
        task: Of the networks that are measured on it.
        tables: Which of the tables are written.
        items: From the folder with the data, a folder for what is derived from it, and how many: the photos.
        limit: So many photos, evenly spaced, where nobody says otherwise.
        interventions: Whether the answers without attention are measured.
        classes: What the networks that are measured on it know; None: anything.
        labels: Categories that they must know by name, among others.
    """

    title: str
    task: str
    tables: tuple[str, ...]
    items: Callable[[Path, Path, int], list[Item]]
    limit: int
    interventions: bool = False
    classes: tuple[str, ...] | None = None
    labels: tuple[str, ...] = ()


def osie(data: Path, _work: Path, limit: int) -> list[Item]:
    """OSIE's photos with the fixations of 15 viewers."""
    return read_items(data / "osie/stimuli", fixations=data / "osie/eye/fixations.mat", limit=limit)


def persons(data: Path, work: Path, limit: int) -> list[Item]:
    """Stanford40's official test photos with a person's box that covers less than 60 % of the photo."""
    folder, boxes = data / "stanford40", work / "persons.csv"
    rows = []
    for split in sorted((folder / "ImageSplits").glob("*_test.txt")):
        for name in split.read_text().split():
            root = ElementTree.parse(folder / "XMLAnnotations" / f"{Path(name).stem}.xml").getroot()
            left, top, right, bottom = (
                float(root.findtext(f".//{s}", "nan")) for s in ("xmin", "ymin", "xmax", "ymax")
            )
            with Image.open(folder / "JPEGImages" / name) as opened:
                share = (right - left) * (bottom - top) / (opened.size[0] * opened.size[1])
            if share < LARGEST_OBJECT:
                rows.append((name, left, top, right, bottom))
    _write_csv(boxes, ("image", "left", "top", "right", "bottom"), rows)
    return read_items(folder / "JPEGImages", boxes=boxes, limit=limit)


def salient(data: Path, _work: Path, limit: int) -> list[Item]:
    """The photos 801 to 1000 of ECSSD with the mask of the salient object."""
    items = read_items(data / "ecssd/images", masks=data / "ecssd/ground_truth_mask")
    held_out = [item for item in items if int(re.sub(r"\D", "", Path(item.name).stem)) > 800]
    return held_out[:limit]


def imagenette(data: Path, work: Path, limit: int) -> list[Item]:
    """Imagenette's validation photos with their categories."""
    folder, labels = data / "imagenette/val", work / "imagenette.csv"
    names = [(path.relative_to(folder).as_posix(), IMAGENETTE[path.parent.name]) for path in sorted(folder.glob("*/*"))]
    _write_csv(labels, ("image", "label"), names)
    return read_items(folder, labels=labels, limit=limit)


def camvid(data: Path, _work: Path, limit: int) -> list[Item]:
    """CamVid's test frames with their classes."""
    return read_items(data / "camvid/test", masks=data / "camvid/testannot", limit=limit)


def everyday(data: Path, work: Path, limit: int) -> list[Item]:
    """The fifth of MSRC-v2 that no training saw, with its classes."""
    folders = work / "everyday_photos", work / "everyday_masks"
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    for name, (photo, labels) in msrc(data / "msrc"):
        if is_held_out(name):
            photo.save(folders[0] / f"{name}.png")
            Image.fromarray(labels).save(folders[1] / f"{name}.png")
    return read_items(folders[0], masks=folders[1], limit=limit)


SETS = {
    "osie": DataSet("Where people look: OSIE", "classification", (PEOPLE, FOCUS), osie, 700),
    "persons": DataSet("Persons' boxes: Stanford40, test", "classification", (OBJECTS,), persons, 300),
    "salient": DataSet("Salient objects: ECSSD, 801 to 1000", "classification", (OBJECTS,), salient, 200),
    "imagenette": DataSet(
        "What the gates cost: Imagenette, val",
        "classification",
        (ANSWERS,),
        imagenette,
        300,
        True,
        labels=tuple(IMAGENETTE.values()),
    ),
    "camvid": DataSet(
        "What the attentions cost: CamVid, test",
        "segmentation",
        (ANSWERS, POSITIONS),
        camvid,
        60,
        True,
        CAMVID_CATEGORIES,
    ),
    "everyday": DataSet(
        "What the attentions cost: MSRC-v2, a fifth", "segmentation", (ANSWERS, POSITIONS), everyday, 119, True, CLASSES
    ),
}


def measured(name: str, model: str, data: Path, work: Path, limit: int | None) -> list[Row]:
    """The rows of one network on one set; what was measured before is not measured again."""
    chosen = SETS[name]
    loaded = load_model(model)
    count = limit or chosen.limit
    out = work / name / f"{model}-{str(loaded.card.sha256)[:8]}-{count}"  # other weights and counts are other runs
    out.mkdir(parents=True, exist_ok=True)
    steps = evaluate(chosen.items(data, work, count), loaded, out, interventions=chosen.interventions)
    while True:
        try:
            done = next(steps)
        except StopIteration as end:
            return [row for row in rows_of(end.value) if row.table in chosen.tables]
        print(f"\r{name}, {model}: {done.number} of {done.total}", end="", file=sys.stderr, flush=True)


def suits(card: ModelCard, data: DataSet) -> bool:
    """Whether a network can be measured on a set: by its task, and by what it knows."""
    known = {name.strip() for names in card.categories for name in (names, *names.split(","))}
    return card.task == data.task and data.classes in (None, card.categories) and known.issuperset(data.labels)


def has_map(model: str) -> bool:
    """Whether a network computes any attention that is a map of places; SE's gates are of channels alone."""
    return any(site.kind in _PLACES for site in load_model(model).net.sites())


def asks(data: DataSet, model: str) -> bool:
    """Whether a set asks anything of a network that it can answer: where objects are, only of one that has a map."""
    return has_map(model) or not {PEOPLE, OBJECTS} & {*data.tables}


def headline(model: str, rows: Sequence[Row]) -> str:
    """What the table of fixations says of a network, in words, whichever way it went."""
    return f"**`{model}`**: {words_on('osie', as_markdown(rows)).long}"


def _write_csv(file: Path, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with file.open("w", newline="", encoding="utf-8") as opened:
        csv.writer(opened).writerows([head, *rows])


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Fill the tables of docs/evidence.md.")
    parser.add_argument("--data", type=Path, required=True, help="folder with the public data sets")
    parser.add_argument("--work", type=Path, required=True, help="folder for what is measured")
    parser.add_argument("--sets", nargs="+", choices=sorted(SETS), default=list(SETS))
    parser.add_argument("--models", nargs="+", help="else all that are shipped")
    parser.add_argument("--limit", type=int, help="so many photos of each set")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(argv)
    torch.set_num_threads(options.threads)
    options.work.mkdir(parents=True, exist_ok=True)
    shipped = {name: card for name, card in list_models().items() if card.status == "shipped"}
    page = PAGE.read_text(encoding="utf-8")
    for name in options.sets:
        chosen, found = SETS[name], dict[str, str]()
        for model in [model for model in options.models or shipped if suits(shipped[model], chosen)]:
            rows = measured(name, model, options.data, options.work, options.limit) if asks(chosen, model) else []
            found[model] = as_markdown(rows)
        page = worded(merged(page, name, found, shipped), shipped)
        PAGE.write_text(page, encoding="utf-8")
        print(f"\r{name}: written to {PAGE.name}", file=sys.stderr)
    write_cards()


if __name__ == "__main__":
    main()
