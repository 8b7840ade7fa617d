"""Every published checkpoint that this package can read: where it is, what it must be, what it scored, its licence.

Scores are the publishers' own, from the pages named in `ModelCard.source`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from attnviz.inputs.preprocess import Preprocessing
from attnviz.models.weights.card import ModelCard
from attnviz.models.weights.categories import CategorySet
from attnviz.models.weights.file_hash import file_hash, member_hash

Algorithm = Literal["sha256", "sha1"]

_PAPERS = {
    "bam": "https://arxiv.org/abs/1807.06514",
    "cbam": "https://arxiv.org/abs/1807.06521",
    "sge": "https://arxiv.org/abs/1905.09646",
    "se": "https://arxiv.org/abs/1709.01507",
    "danet": "https://arxiv.org/abs/1809.02983",
}
_DATA = {
    "imagenet": ("ImageNet", 1000),
    "cityscapes": ("Cityscapes", 19),
    "ade20k": ("ADE20K", 150),
    "voc": ("Pascal VOC 2012", 21),
}


@dataclass(frozen=True)
class Address:
    """Where a publisher keeps a file, and what the file must be.

    Attributes:
        file_name: What the file is called on this machine until it is converted.
        url: Address over https; None where it is on Google Drive.
        drive_id: Google Drive's name of it.
        algorithm: Of the publisher's hash.
        digits: The leading hexadecimal digits of that hash, as far as the publisher tells; None: not at all.
        hash_of: What was hashed: the file itself, or the one file inside the zip.
    """

    file_name: str
    url: str | None = None
    drive_id: str | None = None
    algorithm: Algorithm = "sha256"
    digits: str | None = None
    hash_of: Literal["file", "member"] = "file"

    @property
    def page(self) -> str:
        """The address for a browser."""
        return self.url or f"https://drive.google.com/file/d/{self.drive_id}/view"

    def digest(self, path: Path) -> str:
        """The hash that the publisher tells, of a file on this machine; empty where it should be a zip and is none.

        Raises:
            OSError: The file cannot be read.
        """
        return (file_hash if self.hash_of == "file" else member_hash)(path, self.algorithm)

    def matches(self, path: Path) -> bool:
        """Whether a file on this machine has the publisher's hash; True where the publisher tells none.

        Raises:
            OSError: The file cannot be read.
        """
        return self.digits is None or self.digest(path).startswith(self.digits)


@dataclass(frozen=True)
class Published:
    """Published weights.

    Attributes:
        card: What is known about them; without categories, which come with the download.
        address: Where the file is.
        category_set: Data set whose classes they predict.
    """

    card: ModelCard
    address: Address
    category_set: CategorySet

    @property
    def licensed(self) -> bool:
        """Whether the publisher states a licence."""
        return self.card.licence is not None


@dataclass(frozen=True)
class _Publisher:
    """Who published weights, for people; where; under which licence."""

    name: str
    source: str
    licence: str | None
    notes: tuple[str, ...] = ()


_BAM_AUTHORS = _Publisher("its authors", "https://github.com/Jongchan/attention-module", "MIT")
_DANET_AUTHORS = _Publisher("its authors", "https://github.com/junfu1115/DANet", "MIT")
_PYTORCHCV = _Publisher("pytorchcv", "https://github.com/osmr/imgclsmob", "MIT")
_MMSEG = _Publisher(
    "mmsegmentation", "https://github.com/open-mmlab/mmsegmentation/tree/main/configs/danet", "Apache-2.0"
)
_INSIGHT = _Publisher(
    "PytorchInsight",
    "https://github.com/implus/PytorchInsight",
    None,
    ("The publisher states no licence: ask before you use these weights for more than looking.",),
)


@dataclass(frozen=True)
class _Network:
    """What a network is, for people and for `build_model`."""

    kind: Literal["bam", "cbam", "sge", "se", "danet"]
    depth: int
    trunk: Mapping[str, Any]
    align_corners: bool = True

    @property
    def title(self) -> str:
        """Its name."""
        return f"DANet-ResNet{self.depth}" if self.kind == "danet" else f"{self.kind.upper()}-ResNet{self.depth}"

    @property
    def sentence(self) -> str:
        """What it is made of."""
        if self.kind == "danet":
            return f"DANet on a ResNet{self.depth} dilated to stride 8"
        where = "a BAM after stages 1, 2 and 3" if self.kind == "bam" else f"{self.kind.upper()} in every block"
        return f"ResNet{self.depth} with {where}"

    def config(self, num_classes: int) -> dict[str, Any]:
        """Description for so many classes."""
        trunk = {"depth": self.depth, **self.trunk}
        if self.kind == "danet":
            config = {"architecture": "DANet", "trunk": trunk, "align_corners": self.align_corners}
        elif self.kind == "bam":  # the rest of a released BAM: reduction 16, two convolutions of dilation 4
            bam = {"fusion": "product", "final_norm": False}
            config = {"architecture": "BamResNet", "trunk": trunk, "bams": [bam, bam, bam]}
        else:
            config = {"architecture": "AttentionResNet", "trunk": {**trunk, "attention": {"kind": self.kind}}}
        return {**config, "num_classes": num_classes}


def _published(
    name: str,
    network: _Network,
    publisher: _Publisher,
    address: Address,
    *,
    data: CategorySet = "imagenet",
    size: int = 224,
    metrics: Mapping[str, float],
    detail: str = "",
) -> Published:
    label, classes = _DATA[data]
    segmentation = network.kind == "danet"
    card = ModelCard(
        name=name,
        title=f"{network.title} · {label}{detail} · {publisher.name}",
        task="segmentation" if segmentation else "classification",
        architecture=network.sentence,
        config=network.config(classes),
        preprocessing=Preprocessing(size=size, multiple=8 if segmentation else 32),
        min_size=16 if segmentation else 32,
        categories=(),
        metrics=metrics,
        source=publisher.source,
        licence=publisher.licence,
        paper=(_PAPERS[network.kind],),
        notes=publisher.notes,
        status="available",
    )
    return Published(card, address, data)


def _imagenet(top1: float | None, top5: float) -> dict[str, float]:
    known = {} if top1 is None else {"ImageNet val top-1 (%)": top1}
    return {**known, "ImageNet val top-5 (%)": top5}


def _on_drive(name: str, drive_id: str) -> Address:
    return Address(file_name=f"{name}.pth.tar", drive_id=drive_id)


def _of_authors() -> list[Published]:
    bam, cbam = _Network("bam", 50, {}), _Network("cbam", 50, {})
    danet = _Network("danet", 101, {"output_stride": 8, "multi_grid": (4, 8, 16)})
    return [
        _published(
            "bam_resnet50_authors",
            bam,
            _BAM_AUTHORS,
            _on_drive("bam_resnet50_authors", "1auVf70gfL0ol40bvaX5rlbpn9cKIxhAL"),
            metrics=_imagenet(76.860, 93.416),
        ),
        _published(
            "cbam_resnet50_authors",
            cbam,
            _BAM_AUTHORS,
            _on_drive("cbam_resnet50_authors", "1mvAVvhLR_2XY_bPYxh-SEz4vDmGzSArO"),
            metrics=_imagenet(77.622, 93.948),
        ),
        _published(
            "danet_resnet101_cityscapes_authors",
            danet,
            _DANET_AUTHORS,
            _on_drive("danet_resnet101_cityscapes_authors", "1XmpFEF-tbPH0Rmv4eKRxYJngr3pTbj6p"),
            data="cityscapes",
            size=768,
            metrics={"Cityscapes val mean IoU (%)": 79.93, "Cityscapes test mean IoU (%)": 81.5},
        ),
    ]


def _of_pytorchinsight() -> list[Published]:
    rows: tuple[tuple[Literal["bam", "cbam", "sge", "se"], int, str, float, float], ...] = (
        ("sge", 50, "13HPCjrEle6aFbiCo8Afkr2jJssdNwdRn", 77.584, 93.664),
        ("sge", 101, "1ihu0NVvVJZEv0zj49izapn4V0FhwxCh6", 78.798, 94.368),
        ("bam", 50, "1K5iAUAIF_yRyC2pIiA65F8Ig0x4NzOqk", 76.898, 93.402),
        ("bam", 101, "15EUQ6aAoXzPm1YeAH4ZqnF3orEr0dB8f", 78.218, 94.018),
        ("cbam", 50, "1Q5gIKPARrZzDbCPZHpuj9tqXs06c2YZN", 77.626, 93.660),
        ("cbam", 101, "1UHLt3C59M1fRta6i9iLsj-RvIbKusgQN", 78.354, 94.064),
        ("se", 101, "1MOGkkqs6v_LCgO6baGDmcFYbuOkwZjK9", 78.468, 94.102),
    )
    return [
        _published(
            f"{kind}_resnet{depth}_pytorchinsight",
            _Network(kind, depth, {}),
            _INSIGHT,
            _on_drive(f"{kind}_resnet{depth}_pytorchinsight", drive_id),
            metrics=_imagenet(top1, top5),
        )
        for kind, depth, drive_id, top1, top5 in rows
    ]


def _release(tag: str, stem: str, sha1: str) -> Address:
    """A release of pytorchcv: a zip of one file whose SHA-1 its package tells, and the name its first eight digits."""
    file_name = f"{stem}-{sha1[:8]}.pth.zip"
    return Address(
        file_name=file_name,
        url=f"https://github.com/osmr/imgclsmob/releases/download/{tag}/{file_name}",
        algorithm="sha1",
        digits=sha1,
        hash_of="member",
    )


def _of_pytorchcv() -> list[Published]:
    trunk = {"output_stride": 8, "deep_stem": (64, 64, 128)}
    found = [
        _published(
            "bam_resnet50_pytorchcv",
            _Network("bam", 50, {}),
            _PYTORCHCV,
            _release("v0.0.499", "bam_resnet50-0547", "a04adf3c93f56836509f66668aa90360c9688eb8"),
            metrics=_imagenet(79.09, 94.53),
        ),
        _published(
            "cbam_resnet50_pytorchcv",
            _Network("cbam", 50, {}),
            _PYTORCHCV,
            _release("v0.0.537", "cbam_resnet50-0505", "d8cf8488efb97afecd6b3287a3ca9fa093fc3127"),
            metrics=_imagenet(None, 94.95),
        ),
    ]
    for depth, score, sha1 in (
        (50, 67.99, "c5740c9fd471c141a584455efd2167858dd8cb94"),
        (101, 68.10, "f1eeb724757bbcdc067de9cdfad6d463fb9fdb90"),
    ):
        stem = f"danet_resnetd{depth}b_cityscapes-{round(score * 100)}"
        found.append(
            _published(
                f"danet_resnetd{depth}b_cityscapes_pytorchcv",
                _Network("danet", depth, trunk),
                _PYTORCHCV,
                _release("v0.0.468", stem, sha1),
                data="cityscapes",
                size=480,
                metrics={"Cityscapes val mean IoU (%)": score},
            )
        )
    return found


def _of_mmsegmentation() -> list[Published]:
    rows: tuple[tuple[int, str, CategorySet, str, float], ...] = (
        (50, "512x1024_40k", "cityscapes", "20200605_191324-c0dbfa5f", 78.74),
        (101, "512x1024_40k", "cityscapes", "20200605_200831-c57a7157", 80.52),
        (50, "769x769_40k", "cityscapes", "20200530_025703-76681c60", 78.88),
        (101, "769x769_40k", "cityscapes", "20200530_025717-dcb7fd4e", 79.88),
        (50, "512x1024_80k", "cityscapes", "20200607_133029-2bfa2293", 79.34),
        (101, "512x1024_80k", "cityscapes", "20200607_132918-955e6350", 80.41),
        (50, "769x769_80k", "cityscapes", "20200607_132954-495689b4", 79.27),
        (101, "769x769_80k", "cityscapes", "20200607_132918-f3a929e7", 80.47),
        (50, "512x512_80k", "ade20k", "20200615_015125-edb18e08", 41.66),
        (101, "512x512_80k", "ade20k", "20200615_015126-d0357c73", 43.64),
        (50, "512x512_160k", "ade20k", "20200616_082340-9cb35dcd", 42.45),
        (101, "512x512_160k", "ade20k", "20200616_082348-23bf12f9", 44.17),
        (50, "512x512_20k", "voc", "20200618_070026-9e9e3ab3", 74.45),
        (101, "512x512_20k", "voc", "20200618_070026-d48d23b2", 76.02),
        (50, "512x512_40k", "voc", "20200613_235526-426e3a64", 76.37),
        (101, "512x512_40k", "voc", "20200613_223031-788e232a", 76.51),
    )
    trunk = {"output_stride": 8, "deep_stem": (32, 32, 64)}
    found = []
    for depth, schedule, data, stamp, score in rows:
        config = f"danet_r{depth}-d8_{schedule}_{'voc12aug' if data == 'voc' else data}"
        file_name = f"{config}_{stamp}.pth"
        address = Address(
            file_name=file_name,
            url=f"https://download.openmmlab.com/mmsegmentation/v0.5/danet/{config}/{file_name}",
            digits=stamp.rsplit("-", 1)[1],
        )
        found.append(
            _published(
                f"danet_resnet{depth}_{data}_{schedule}_mmseg",
                _Network("danet", depth, trunk, align_corners=False),
                _MMSEG,
                address,
                data=data,
                size=768 if schedule.startswith("769") else 512,
                metrics={f"{_DATA[data][0]} val mean IoU (%)": score},
                detail=f", {schedule.replace('_', ', ')}",
            )
        )
    return found


def by_name(listed: Iterable[Published]) -> dict[str, Published]:
    """Published weights by name.

    Raises:
        ValueError: Two have the same name.
    """
    found: dict[str, Published] = {}
    for published in listed:
        if published.card.name in found:
            raise ValueError(f"expected every name once, got {published.card.name!r} twice")
        found[published.card.name] = published
    return found


PUBLISHED = by_name([*_of_authors(), *_of_pytorchinsight(), *_of_pytorchcv(), *_of_mmsegmentation()])
