"""A measurement made by hand, with every part that a report can have."""

from attnviz.measure.effects import Effect, TopCategory
from attnviz.measure.evidence import Evidence
from attnviz.measure.faithfulness import Faithfulness, MapFaithfulness
from attnviz.measure.focus_table import FocusTable, MapFocus
from attnviz.measure.query_dependence import QueryDependence

SHARES = (0.0, 0.5, 1.0)
ROAD_SHARES = (0.2, 0.8)
ROLES = (
    *(("stage2.gain", "Stage 2 · gain", "attention"), ("stage3.gain", "Stage 3 · gain", "attention")),
    *(("grad_cam", "Grad-CAM", "attribution"), ("centre", "Centre prior", "baseline")),
    ("random", "Random map", "baseline"),
)


def judged(label: str, title: str, role: str, strength: float) -> MapFaithfulness:
    """A map whose scores grow with its strength, 0 to 0.2."""
    curves = ((0.9, 0.5 - strength, 0.1), (0.1, 0.5 + strength, 0.9), (0.5, 0.3), (0.5 + 2 * strength, 0.3))
    agreement = {other: 0.25 for other, _, _ in ROLES if other != label}
    scores = (0.5 - strength / 2, 0.5 + strength / 2, strength / 2, 1.5 - strength, None, agreement)
    return MapFaithfulness(label, title, role, *curves, *scores)


def evidence(category: str = "tabby", trained: bool = True) -> Evidence:
    """Of a classifier with two maps and, as no shipped one has, a position attention too."""
    numbers = {"entropy": 0.97, "gini": 0.3, "half_mass_area": 0.31, "centroid_x": 0.5, "centroid_y": 0.4}
    even = {"entropy": 1.0, "gini": 0.0, "half_mass_area": 0.5, "centroid_x": 0.5, "centroid_y": 0.5}
    focus = FocusTable(tuple(MapFocus(n, t, 3, numbers, {"uniform": even}) for n, t, _ in ROLES[:2]))
    top = (TopCategory(category, 0.8, 0.4), TopCategory("tiger cat", 0.1, 0.5))
    strong, none = "a strong effect: 40.0 % of the probability moved", "no effect on this picture: 0.00 % moved"
    effects = (
        Effect("stage3.flat", "Stage 3: gate flattened", 0.4, top, "tiger cat", -0.69, None, strong),
        Effect("stage2.flat", "Stage 2: gate flattened", 0.0, top[:1], category, 0.0, None, none),
    )
    maps = tuple(judged(*role, 0.04 * number) for number, role in enumerate(reversed(ROLES)))[::-1]
    faithfulness = Faithfulness(0, 0.9, SHARES, ROAD_SHARES, maps, 31, {"occlusion": "expected more, got less"})
    position = QueryDependence("position", 0.5, 0.4, 2.1, 0.02, 1.2, 0.9, "Places look at their own class.")
    verdict = ("Stage 3 is focused.", "On this picture no map marks what the answer rests on.")
    about = ("net", trained, (64, 96), None, None, category)
    return Evidence(*about, focus, effects, faithfulness, (position,), verdict)
