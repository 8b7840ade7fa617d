"""attnviz: see what the attention of vision models does.

    import attnviz
    explanation = attnviz.explain("photo.jpg", model="bam_resnet18_w64")
    explanation.maps["stage3.gain"].values      # float32, one number per location
    explanation.save("figures")                 # the figure, the raw maps, and the recipe of both

Importing this package loads no torch; the first use of a name does.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from attnviz.errors import AttnvizError
    from attnviz.measure.evidence import Evidence, evidence
    from attnviz.models.build import build_model
    from attnviz.models.own.load import load_network
    from attnviz.models.sites import Site
    from attnviz.models.weights.checkpoint import load_checkpoint, save_checkpoint
    from attnviz.models.weights.registry import list_models, load_model
    from attnviz.observe.discover import find_attention
    from attnviz.observe.recorder import Recording, record
    from attnviz.observe.training_watch import watch
    from attnviz.pipeline import explain
    from attnviz.results import AttentionMap, Explanation
    from attnviz.save.training_log import log

__version__ = "0.1.0"

__all__ = [
    "AttentionMap",
    "AttnvizError",
    "Evidence",
    "Explanation",
    "Recording",
    "Site",
    "__version__",
    "build_model",
    "evidence",
    "explain",
    "find_attention",
    "list_models",
    "load_checkpoint",
    "load_model",
    "load_network",
    "log",
    "record",
    "save_checkpoint",
    "watch",
]

_HOME = {
    "AttentionMap": "attnviz.results",
    "AttnvizError": "attnviz.errors",
    "Evidence": "attnviz.measure.evidence",
    "Explanation": "attnviz.results",
    "Site": "attnviz.models.sites",
    "Recording": "attnviz.observe.recorder",
    "build_model": "attnviz.models.build",
    "list_models": "attnviz.models.weights.registry",
    "evidence": "attnviz.measure.evidence",
    "explain": "attnviz.pipeline",
    "find_attention": "attnviz.observe.discover",
    "load_checkpoint": "attnviz.models.weights.checkpoint",
    "load_model": "attnviz.models.weights.registry",
    "load_network": "attnviz.models.own.load",
    "log": "attnviz.save.training_log",
    "record": "attnviz.observe.recorder",
    "watch": "attnviz.observe.training_watch",
    "save_checkpoint": "attnviz.models.weights.checkpoint",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    if name not in _HOME:
        raise AttributeError(f"module 'attnviz' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
