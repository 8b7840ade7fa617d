"""The small columns of a table in memory, to sort and filter a hundred thousand photos while somebody scrolls."""

import json
import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attnviz.bulk.export_folder import RECIPE
from attnviz.bulk.sources import PhotoRef, find_photos, text_path
from attnviz.bulk.table import arrow, parts
from attnviz.errors import OptionError, one_line, reason

NAME = "name"  # the order of the paths


@dataclass(frozen=True, eq=False)
class TableIndex:
    """What can be sorted and filtered.

    Attributes:
        paths: Of the photos, in order.
        predictions: Of each photo, one of `categories` by its number, -1 for none.
        categories: Names, in order.
        numbers: Name -> float32 of each photo, NaN where it has none: ``"score"``, ``"stage1.gain gini"``.
        recipe: What the export was made with, as in ``export.json``.
    """

    paths: list[str]
    predictions: NDArray[np.int32]
    categories: list[str]
    numbers: dict[str, NDArray[np.float32]]
    recipe: dict[str, Any]

    def rows(
        self,
        sort: str = NAME,
        *,
        descending: bool = False,
        prediction: str = "",
        low: float | None = None,
        high: float | None = None,
    ) -> NDArray[np.int64]:
        """Numbers of the photos that pass, in the order that is wanted.

        Args:
            sort: ``"name"`` or one of `numbers`; photos without that number come last.
            descending: Largest first.
            prediction: Only photos of this category; empty: all.
            low: Only photos whose number `sort` is no smaller.
            high: Only photos whose number `sort` is no larger.

        Raises:
            OptionError: There is no such number, or bounds were given for names.
        """
        if sort != NAME and sort not in self.numbers:
            raise OptionError(f"expected to sort by {NAME} or one of {', '.join(self.numbers)}, got {sort!r}")
        if sort == NAME and (low is not None or high is not None):
            raise OptionError("expected a number for bounds, got names")
        order = self._order(sort)
        known = np.ones(len(order), bool) if sort == NAME else ~np.isnan(self.numbers[sort][order])
        if descending:
            order, known = np.r_[order[known][::-1], order[~known]], np.sort(known)[::-1]
        keep = np.ones(len(order), bool)
        if prediction:
            number = self.categories.index(prediction) if prediction in self.categories else -2
            keep &= self.predictions[order] == number
        if sort != NAME:
            values = self.numbers[sort][order]
            with np.errstate(invalid="ignore"):
                keep &= True if low is None else values >= low
                keep &= True if high is None else values <= high
        return order[keep]

    def _order(self, sort: str) -> NDArray[np.int64]:
        """All photos in an order, smallest first and those without the number last; found once."""
        if sort not in self._orders:
            by_name = sort == NAME
            self._orders[sort] = (
                np.array(sorted(range(len(self.paths)), key=self.paths.__getitem__), np.int64)
                if by_name
                else np.argsort(self.numbers[sort], kind="stable")
            )
        return self._orders[sort]

    @cached_property
    def _orders(self) -> dict[str, NDArray[np.int64]]:
        return {}

    def ref(self, row: int) -> PhotoRef:
        """Where a photo is.

        Raises:
            OptionError: The tar file or clip that it was in is not there, or no longer holds it.
        """
        path = self.paths[row]
        container, file = text_path(path.partition("::")[0]), text_path(path)
        if "::" not in path or Path(file).exists():
            return PhotoRef(file)
        with _listing:
            if container not in self._containers:
                self._containers[container] = {ref.path: ref for ref in find_photos([container])}
        found = self._containers[container].get(path)
        if found is None:
            raise OptionError(f"expected {one_line(container)} as it was, got one without {one_line(path)}")
        return found

    @cached_property
    def _containers(self) -> dict[str, dict[str, PhotoRef]]:
        return {}


_listing = threading.Lock()


def read_index(out: Path) -> TableIndex:
    """Read the small columns of an export.

    Args:
        out: Its folder.

    Raises:
        OptionError: It holds no table.
    """
    files = parts(out)
    if not files:
        raise OptionError(f"expected a folder that `attnviz export` wrote a table to, got {one_line(out)}")
    try:
        recipe = json.loads((out / RECIPE).read_text(encoding="utf-8"))["asked"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OptionError(f"expected {RECIPE} of an export in {one_line(out)}, got: {reason(error)}") from error
    pa = arrow()
    names = pa.parquet.read_schema(files[0]).names
    focus = [name for name in names if name.startswith("focus.")]
    tables = [pa.parquet.read_table(part, columns=["path", "prediction", "score", *focus]) for part in files]
    table = pa.concat_tables(tables, promote_options="default").combine_chunks()
    categories = sorted({name for name in table["prediction"].unique().to_pylist() if name is not None})
    number_of = {name: number for number, name in enumerate(categories)}
    numbers = {"score": _floats(table["score"])}
    for name in focus:
        column = table[name].combine_chunks()
        for field in column.type:
            values = pa.compute.struct_field(column, field.name)
            numbers[f"{name.removeprefix('focus.')} {field.name}"] = _floats(values)
    predictions = np.array([number_of.get(name, -1) for name in table["prediction"].to_pylist()], np.int32)
    return TableIndex(table["path"].to_pylist(), predictions, categories, numbers, recipe)


def _floats(column: Any) -> NDArray[np.float32]:  # noqa: ANN401 - of PyArrow
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float32)
