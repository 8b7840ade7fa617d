"""What the maps are and are not, in plain words, and where the weights come from."""

import html

from attnviz.models.weights.card import ModelCard
from attnviz.serve.page.components import text_block
from attnviz.serve.requests import command_to_get, known_models

_MAPS = """
<h2>Coarse to fine: the attention of a BAM-ResNet</h2>
<p>A bottleneck attention module sits after each of the first three stages of the network. It answers two questions
about the features that pass through it, <em>where</em> (the spatial logit, one number per location) and
<em>what</em> (the channel logits, one number per channel), joins the two answers, and squeezes them through a
sigmoid into a gate between 0 and 1. What leaves the module is the features plus the features times the gate.</p>
<p>The <strong>effective gain</strong> is what a location is really multiplied by, averaged over channels: 1 where the
module leaves the features alone, 2 where it doubles them. Look at its range before its colours: a map that spans
1.40 to 1.42 says that the module hardly distinguishes places.</p>
<h2>Position attention: who looks where</h2>
<p>DANet compares the query of one location with the keys of all locations; a softmax turns the similarities into
shares that sum to 1. Point at the photo to see the shares of that location, or turn the question round and see who
looks at it. Gamma is the weight with which the result is added to the features: near 0, the network hardly uses it.</p>
<p>A vision transformer asks the same in every layer, with several heads. The mean of heads is the mean of their shares;
each head can be seen alone. A class token and registers are no places: what falls on them is said beside the map, and
where the class token looks can be shown. <strong>Attention rollout</strong> multiplies the layers, each half its
attention and half the identity for what passes beside it. It is a summary over all layers, not what any of them
did.</p>
<h2>Channel attention: which features go together</h2>
<p>The same idea between channels instead of locations. As in the authors' released code the softmax favours channels
that are unlike. The maps show the module's output for single channels.</p>
<h2>What these maps are not</h2>
<p>They show what an attention module computed, which is not the same as why the network decided as it did: features
that are doubled may be ignored later, and features left alone may decide. A map has the resolution of the network's
own grid; smoothing it for display adds nothing. Colours are scaled per map unless you share the scale, so compare
the printed ranges, not the brightness.</p>
<h2>Your photos</h2>
<p>Photos stay on the machine that runs this program: they go from your browser to it and nowhere else. They are
forgotten when you close the page or after some hours without use, and no other visitor can see them.</p>
<h2>Papers</h2>
<p>J. Park, S. Woo, J.-Y. Lee, I. S. Kweon, <em>BAM: Bottleneck Attention Module</em>, arXiv 1807.06514. J. Fu, J. Liu,
H. Tian, Y. Li, Y. Bao, Z. Fang, H. Lu, <em>Dual Attention Network for Scene Segmentation</em>, arXiv 1809.02983.
S. Abnar, W. Zuidema, <em>Quantifying Attention Flow in Transformers</em>, arXiv 2005.00928.</p>
"""
_GROUPS = {
    "own": "Networks of your own",
    "shipped": "Weights that come with the program",
    "cached": "Weights downloaded to this machine",
    "available": "Weights published elsewhere",
}


def build() -> None:
    """Lay the text out."""
    text_block(_MAPS + _weights())


def _weights() -> str:
    parts = []
    for status, heading in _GROUPS.items():
        found = [entry for entry in known_models().values() if entry.status == status]
        if found:
            listed = f"<ul>{''.join(map(_item, found))}</ul>"
            folded = f"<details><summary>{heading} ({len(found)})</summary>{listed}</details>"
            parts.append(folded if status == "available" else f"<h2>{heading}</h2>{listed}")
    return "".join(parts)


def _item(entry: ModelCard) -> str:
    sentences = [_escaped(sentence) for sentence in (f"{entry.architecture}.", *entry.notes)]
    if entry.licence:
        sentences.append(f"Licence: {_escaped(entry.licence.rstrip('.'))}.")
    if entry.status == "available":
        command = _escaped(command_to_get(entry))
        sentences.append(f"To get it, run <code>{command}</code> and reload this page.")
    said = "".join(f"<li>{sentence}</li>" for sentence in sentences)
    title = f"<strong><span>{_escaped(entry.title)}</span></strong>"
    return f"<li>{title}<ul>{said}</ul>{_evidence(entry)}{_numbers(entry)}</li>"


def _evidence(entry: ModelCard) -> str:
    """Whether its attention focuses and matters: the short of docs/evidence.md."""
    if not entry.evidence:
        return "<p>Evidence: not measured.</p>"
    sentences = "".join(f"<li>{_escaped(sentence)}</li>" for sentence in entry.evidence)
    return f"<p>Evidence, with 95 % intervals:</p><ul>{sentences}</ul>"


def _escaped(text: str) -> str:
    """Text of a card as it may stand in an element; quotes are left, so that the catalogue finds the sentence."""
    return html.escape(text, quote=False)


def _numbers(entry: ModelCard) -> str:
    if not entry.metrics:
        return ""
    rows = (f"<tr><td>{_escaped(name)}</td><td>{value:g}</td></tr>" for name, value in entry.metrics.items())
    return f"<details><summary>What was measured</summary><table>{''.join(rows)}</table></details>"
