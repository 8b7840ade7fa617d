"""What the browser is sent of a measurement: the numbers, and what each of them is."""

from typing import TYPE_CHECKING

from attnviz.language import ENGLISH, Say, in_language
from attnviz.measure.definitions import BASELINES, definitions_json
from attnviz.render.viewer.attention_parts import JSON

if TYPE_CHECKING:
    from attnviz.measure.evidence import Evidence

# For people, in the language of the page.
_TEXTS = frozenset({"title", "definition", "compare", "verdict", "left_out", "baselines"})


def evidence_part(found: "Evidence", say: Say = ENGLISH) -> JSON:
    """A measurement for the page's tab and for the viewer's `evidence` view.

    Args:
        found: Of one network on one photo.
        say: Puts its sentences into the language of the page.

    Returns:
        ``{"found": as `Evidence.to_json`, "measures": name of a number -> its `Measure`, "baselines": name of a
        baseline of the focus -> what it is}``.
    """
    sent = {"found": found.to_json(), "measures": definitions_json(), "baselines": dict(BASELINES)}
    return dict(in_language(sent, say, _TEXTS))
