"""The viewer as one HTML file with the data inside: no server, no network; and the same in a notebook cell."""

import html
import json
from collections.abc import Mapping
from string import Template
from typing import TYPE_CHECKING

from attnviz.language import DEFAULT_LANGUAGE, speaker, translated, words_script
from attnviz.render.viewer.bundle import viewer_script
from attnviz.render.viewer.payload import JSON, compare_payload, families_payload, payload
from attnviz.results import Explanation

if TYPE_CHECKING:
    from attnviz.measure.evidence import Evidence

# Nothing may be loaded from anywhere: the browser itself enforces it.
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"

_PAGE = Template("""<!doctype html>
<html lang="$language">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="$policy">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<style>body { margin: 0; } main { box-sizing: border-box; max-width: 1440px; margin: 0 auto; padding: 16px; }
@media (min-width: 2400px) { html { font-size: 125%; } main { max-width: 2000px; } }
@media (prefers-color-scheme: dark) { body { background: #14171c; } }</style>
</head>
<body>
<main id="viewer"></main>
<script type="application/json" id="data">$data</script>
$words<script>$script</script>
<script>window.attnviz.mount(document.getElementById("viewer"),
  JSON.parse(document.getElementById("data").textContent), { view: "all", heading: true });</script>
</body>
</html>
""")


def standalone_html(
    explanation: Explanation,
    other: Explanation | None = None,
    *,
    evidence: "Evidence | None" = None,
    language: str = DEFAULT_LANGUAGE,
) -> str:
    """One self-contained interactive page: opens from a file, makes no request.

    Args:
        explanation: What to show.
        other: A second explanation to compare with; adds the compare view.
        evidence: What was measured about the photo of an explanation that stands alone; adds a view of it.
        language: One of `attnviz.language.LANGUAGES`.

    Returns:
        HTML, UTF-8, under 5 MB for a photo of 512 pixels.

    Raises:
        OptionError: The language is not known.
    """
    say = speaker(language)
    data = (
        payload(explanation, evidence=evidence, say=say)
        if other is None
        else compare_payload(explanation, other, say=say)
    )
    return page(data, title=say(f"Attention of {explanation.model.name}"), language=language)


def families_html(explanations: Mapping[str, Explanation], *, language: str = DEFAULT_LANGUAGE) -> str:
    """Several networks on one photo, side by side in one self-contained page.

    Args:
        explanations: Name of a family -> its explanation of the photo.
        language: One of `attnviz.language.LANGUAGES`.

    Returns:
        HTML, UTF-8.

    Raises:
        OptionError: The language is not known.
    """
    say = speaker(language)
    data = families_payload(explanations, say=say)
    return page(data, title=" · ".join(explanations), language=language)


def page(data: JSON, *, title: str, language: str = DEFAULT_LANGUAGE) -> str:
    """The page around a payload.

    Args:
        data: As from `attnviz.render.viewer.payload.payload` or `compare_payload`.
        title: Of the window.
        language: Of what the viewer itself says.

    Returns:
        HTML, UTF-8.
    """
    return _PAGE.substitute(
        policy=_POLICY,
        language=language,
        title=html.escape(title),
        data=_script_safe(data),
        words="" if language == DEFAULT_LANGUAGE else f"<script>{words_script(language)}</script>\n",
        script=viewer_script(),
    )


def notebook_html(explanation: Explanation, *, height: int = 760, language: str = DEFAULT_LANGUAGE) -> str:
    """The viewer for a notebook cell, isolated in a frame that can neither reach the notebook nor the network.

    Args:
        explanation: What to show.
        height: Of the frame, in CSS pixels.
        language: One of `attnviz.language.LANGUAGES`.

    Returns:
        HTML of one ``<iframe srcdoc>``.

    Raises:
        OptionError: The language is not known.
    """
    document = html.escape(standalone_html(explanation, language=language), quote=True)
    title = html.escape(translated(f"Attention of {explanation.model.name}", language), quote=True)
    return (
        f'<iframe title="{title}" sandbox="allow-scripts" loading="lazy" '
        f'style="width: 100%; height: {int(height)}px; border: 0; resize: vertical; overflow: auto" '
        f'srcdoc="{document}"></iframe>'
    )


def _script_safe(data: JSON) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
