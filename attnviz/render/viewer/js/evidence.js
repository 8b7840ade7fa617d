// What speaks for a network's attention on one photo: the verdict, and the numbers and curves behind it.

import { el } from "./dom.js";
import { curves } from "./evidence_curves.js";
import { agreement, effects, focus, judged, positions } from "./evidence_numbers.js";
import { t } from "./language.js";

/** The view of a measurement that travels with an explanation; returns its root. */
export function evidenceView({ data }) {
  return evidenceReport(data.evidence);
}

/** A measurement as attnviz/render/viewer/evidence_part.py sends it. */
export function evidenceReport({ found, measures, baselines }) {
  const { faithfulness } = found;
  const untrained = found.trained ? null : el("p", {}, t`The weights are random: nothing here says anything about a trained network.`);
  const verdict = el("ul", { class: "av-verdict" }, found.verdict.map((sentence) => el("li", {}, sentence)));
  return el(
    "div",
    { class: "av-view av-evidence" },
    el("section", { "aria-label": t`Verdict` }, el("h2", {}, t`Verdict`), untrained, verdict),
    found.effects.length ? section(t`Does it matter?`, effects(found, measures)) : null,
    faithfulness ? section(t`Does the answer rest on the places it marks?`, judgement(found, measures)) : null,
    found.positions.length ? section(t`Does it depend on the query?`, positions(found.positions, measures)) : null,
    found.focus.maps.length ? section(t`Does it focus?`, focus(found, measures, baselines)) : null,
  );
}

function judgement({ faithfulness, category }, measures) {
  return [curves(faithfulness, category), ...judged(faithfulness, measures), ...agreement(faithfulness, measures)];
}

function section(title, content) {
  return el("section", { "aria-label": title }, el("h2", {}, title), content);
}
