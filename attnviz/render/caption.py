"""Words about a figure: a caption ready for a paper, headings and legends."""

from collections.abc import Mapping, Sequence

import numpy as np

from attnviz.language import ENGLISH, Say
from attnviz.render.figure_options import FigureOptions
from attnviz.render.panels import Panel
from attnviz.render.quantities import quantity
from attnviz.render.scales import Scale, find_scales, raw_range
from attnviz.render.typesetting import format_ends, format_range
from attnviz.results import Explanation

RANDOM_WEIGHTS = "random weights"
_LEGEND_ENTRIES = 24

_MEANINGS = {
    "effective_gain": "The effective gain is the mean over channels of what the attention module multiplies a location "
    "by (BAM, arXiv:1807.06514).",
    "spatial_logit": "The spatial logit is the module's spatial branch before the sigmoid.",
    "position_row": "A pin's map is its row of the softmax over all {n} locations (DANet, arXiv:1809.02983); "
    "even attention would be {even} everywhere.",
    "attention_row": "Where a pin or token looks is its row of the softmax over all {n} locations{others}; "
    "even attention would be {even} everywhere.",
    "rollout_row": "Attention rollout (arXiv:2005.00928) multiplies the layers' attention, the mean of the heads, half "
    "of it the identity: a computation over the layers, not what one of them did.",
    "position_column": "The attention to a location is its column of the {matrix} softmax over keys.",
    "position_received": "The attention received is the mean of the position attention over all {n} queries.",
    "channel_matrix": "The channel matrix is the softmax over channels, each row sums to 1.",
    "channel_output": "A channel's map is the output of the channel attention module.",
    "spatial_gate": "A spatial gate multiplies every channel at a location.",
    "group_gate": "A group gate multiplies one group of channels at each location; without a number, the mean of all.",
    "gate": "A gate multiplies one channel at each location (before 1 is added).",
    "channel_gate": "A channel gate multiplies one channel at all locations; channels stand from left to right.",
}


def caption(
    explanation: Explanation,
    panels: Sequence[Panel],
    options: FigureOptions,
    *,
    photo_name: str | None = None,
    say: Say = ENGLISH,
) -> str:
    """Everything a reader of a paper needs to know about a figure, in plain sentences.

    Args:
        explanation: What is shown.
        panels: The figure's panels.
        options: How they are drawn.
        photo_name: Name of the photo's file, printed as it is.
        say: Puts a sentence into the figure's language, which the panels' titles are in already.
    """
    sentences = [_subject(explanation, photo_name), *_of_panels(explanation, panels, options, say)]
    sentences += [_result(explanation, say), _weights(explanation)]
    return _joined(sentences, say)


def families_caption(
    explanations: Mapping[str, Explanation],
    panels: Sequence[Panel],
    options: FigureOptions,
    *,
    photo_name: str | None = None,
    say: Say = ENGLISH,
) -> str:
    """The same for a figure of several networks.

    Args:
        explanations: Name of a family -> what is shown of it.
        panels: The figure's panels.
        options: How they are drawn.
        photo_name: Name of the photo's file, printed as it is.
        say: Puts a sentence into the figure's language, which the panels' titles are in already.
    """
    first = next(iter(explanations.values()))
    sentences = [_subject(explanation, photo_name) for explanation in explanations.values()]
    sentences += ["Of every stage the last module is shown.", *_of_panels(first, panels, options, say)]
    for family, explanation in explanations.items():
        about = " ".join(filter(None, [_result(explanation, say), _weights(explanation)]))
        sentences.append(f"{family}: {about}" if about else "")
    return _joined(sentences, say)


def _of_panels(explanation: Explanation, panels: Sequence[Panel], options: FigureOptions, say: Say) -> list[str]:
    """What the panels are, what they mean, and how they are drawn."""
    kinds = dict.fromkeys(panel.kind for panel in panels)
    meanings = [_meaning(kind, panels, explanation, say) for kind in kinds if kind in _MEANINGS]
    scales = find_scales(panels, options.scaling, spread=options.spread, opacity_by=options.opacity_by)
    drawn = [_drawing(panels, scales, options, say), *key(scales, options), _places(panels, options)]
    return [_panels(panels, say), *meanings, *drawn]


def _joined(sentences: Sequence[str], say: Say) -> str:
    return say(" ").join(say(sentence) for sentence in sentences if sentence)


def _subject(explanation: Explanation, photo_name: str | None) -> str:
    model = explanation.model
    photo, seen = explanation.photo.shape, explanation.network_image.shape
    called = f"the photo {photo_name}" if photo_name else "a photo"
    part = "" if explanation.geometry.whole else " in part"
    return (
        f"Attention of {model.name} ({model.architecture}) on {called} "
        f"({photo[1]} × {photo[0]} pixels, seen{part} at {seen[1]} × {seen[0]})."
    )


def _panels(panels: Sequence[Panel], say: Say) -> str:
    parts = []
    for panel in panels:
        title = panel.title.replace(" · ", say(", "))
        values = "" if panel.values is None else say(": ") + say(format_range(*raw_range(panel), panel.unit))
        parts.append(title + values)
    return f"Panels: {say('; ').join(parts)}."


def _meaning(kind: str, panels: Sequence[Panel], explanation: Explanation, say: Say) -> str:
    others = max((position.others for position in explanation.positions.values()), default=0)
    danet = "position" in explanation.positions  # which names its attention itself
    sentence = _MEANINGS["attention_row" if kind == "position_row" and not danet else kind]
    sizes = dict.fromkeys(panel.values.size for panel in panels if panel.kind == kind and panel.values is not None)
    return sentence.format(
        others=f" and {others} other token{'s' if others > 1 else ''}" if others else "",
        n=say(" or ").join(f"{n}" for n in sizes),
        matrix=say(" or ").join(f"{n} × {n}" for n in sizes),
        even=say(" or ").join(f"{1 / n:.2g}" for n in sizes),
    )


def _drawing(panels: Sequence[Panel], scales: Sequence[Scale], options: FigureOptions, say: Say) -> str:
    if all(panel.values is None for panel in panels):
        return ""
    cells = "the network's own locations" if options.interpolation == "nearest" else "smoothed between locations"
    shared = [scale for scale in scales if len(scale.panels) > 1]
    if not shared:
        ranges = "the colours of every map span its own range"
    else:
        ends = [say(" to ".join(format_ends(scale.low, scale.high))) for scale in shared]
        parts = [f"{say(quantity(scale.kind))} {range_}" for scale, range_ in zip(shared, ends, strict=True)]
        ranges = f"maps of one quantity share one scale ({say('; ').join(parts)})"
    faded = {name for scale in scales if scale.opacity_by == "value" for name in scale.panels}
    placed = any(
        not panel.bare and panel.name not in faded and (panel.values is not None or panel.classes is not None)
        for panel in panels
    )
    if placed:
        opacity = percent(options.map_opacity)
        return f"Colours ({options.colormap}): {ranges}; {cells}, {opacity} opaque over the photo."
    return f"Colours ({options.colormap}): {ranges}; {cells}."


def key(scales: Sequence[Scale], options: FigureOptions) -> list[str]:
    """What a reader must know about colour bars that are not plain: sentences.

    Args:
        scales: Of a figure.
        options: How its maps are drawn.
    """
    found = []
    if any(scale.log for scale in scales):
        found.append("Bars marked log are logarithmic: equal steps of colour are equal factors.")
    if options.spread == "percentile" and any(not scale.flat for scale in scales):
        found.append("Colours span the first to the 99th percentile of each map.")
    if any(scale.opacity_by == "value" for scale in scales):
        top = percent(options.map_opacity)
        found.append(f"Where a bar fades, the opacity follows the value, from none at its low end to {top} at its top.")
    return found


def _places(panels: Sequence[Panel], options: FigureOptions) -> str:
    moved = options.cells == "centers" and any(panel.field is not None for panel in panels)
    return "Each cell is drawn around the middle of what it sees." if moved else ""


def _result(explanation: Explanation, say: Say) -> str:
    found = say("; ").join(findings(explanation, say=say, synonyms=True))
    if not found:
        return ""
    return f"Predicted: {found}." if explanation.predictions else f"Share of the picture: {found}."


def _weights(explanation: Explanation) -> str:
    if not explanation.model.trained:
        return "The network has random weights: it was not trained."
    digest = explanation.model.sha256
    return f"Weights: sha256 {digest[:12]}." if digest else ""


def findings(explanation: Explanation, count: int = 3, *, synonyms: bool = False, say: Say = ENGLISH) -> list[str]:
    """What the network made of the photo, for people: ``["Egyptian cat 87 %", ...]``, largest first.

    Args:
        explanation: Of the photo.
        count: How many there may be.
        synonyms: Whether a category keeps all its names; else the first (ImageNet lists them with commas).
        say: Puts the categories' names into a language.
    """
    return findings_in_words(largest_shares(explanation, count), say, synonyms=synonyms)


def largest_shares(explanation: Explanation, count: int = 3) -> list[tuple[str, float]]:
    """The categories a photo was found to be, or to show, with their probability or share; so many at most."""
    if explanation.predictions:
        pairs = [(p.category, p.probability) for p in explanation.predictions]
    elif explanation.segmentation is not None:
        pairs = list(explanation.segmentation.shares().items())
    else:
        pairs = []
    return pairs[:count]


def findings_in_words(found: Sequence[tuple[str, float]], say: Say, *, synonyms: bool = False) -> list[str]:
    """What `largest_shares` found, as `findings` words it."""
    called = [(say.category(name), share) for name, share in found]
    first = [(name if synonyms else name.split(",")[0].strip() or name, share) for name, share in called]
    return [f"{name} {percent(share)}" for name, share in first]


def percent(share: float) -> str:
    """A share for people: ``"87 %"``, ``"0.4 %"``, ``"<0.1 %"``, with a space that does not break."""
    if share < 0.0005:
        return "<0.1\u00a0%"
    return f"{100 * share:.{0 if share >= 0.0995 else 1}f}\u00a0%"


def legend(explanation: Explanation, panels: Sequence[Panel], say: Say = ENGLISH) -> dict[int, str]:
    """The classes that occur in a figure's segmentations, by their share in the first of them.

    Args:
        explanation: What is shown.
        panels: The figure's panels.
        say: As for `caption`.

    Returns:
        Number of the class -> its name and share; beyond 24 classes the rest is counted under the number -1.
    """
    drawn = [panel.classes for panel in panels if panel.classes is not None]
    if not drawn or explanation.segmentation is None:
        return {}
    names = explanation.segmentation.categories
    shares: dict[int, float] = {}
    for classes in drawn:
        counts = np.bincount(classes.ravel(), minlength=256)
        for number in np.argsort(-counts, kind="stable"):
            if counts[number]:
                shares.setdefault(int(number), counts[number] / classes.size if classes is drawn[0] else 0.0)
    called = {n: say.category(names[n] if n < len(names) else f"class {n}") for n in shares}
    texts = {n: f"{called[n]} {percent(share)}" for n, share in shares.items()}
    shown = dict(list(texts.items())[:_LEGEND_ENTRIES])
    if len(texts) > len(shown):
        shown[-1] = say(f"and {len(texts) - len(shown)} more")
    return shown
