"""What holds the network on a Ray cluster: parts of photos that were read go in, files come out."""

import pickle
from pathlib import Path
from typing import Any

import torch

from attnviz.bulk.forward import batches
from attnviz.bulk.one_machine import finish_batch
from attnviz.bulk.prepare import Prepared, Refusal
from attnviz.bulk.settings import BulkSettings
from attnviz.bulk.work import PartResult, finish_part
from attnviz.models.precision import in_precision
from attnviz.models.weights.registry import shared_model


class NetworkActor:
    """Holds the network once, runs the photos of parts through it, and writes what comes out."""

    def __init__(self, out: Path, settings: BulkSettings) -> None:
        if settings.device != "cuda":
            torch.set_num_threads(1)  # an actor has one core
        self._out, self._settings = out, settings
        self._loaded = shared_model(settings.model, settings.device)
        self._net = in_precision(self._loaded.net, settings.precision_for(self._loaded))

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """One part: from what was read to what is written."""
        refs, photos = pickle.loads(row["part"])
        return {"part": pickle.dumps(finish_part(self.results(photos), refs, self._out, self._settings))}

    def results(self, photos: list[Prepared | Refusal]) -> list[PartResult]:
        """What the network makes of the photos of one part."""
        return [
            finish_batch(batch, self._out, self._loaded, self._settings, self._net)
            for batch in batches(photos, self._loaded, self._settings)
        ]
