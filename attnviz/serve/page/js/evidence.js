// What speaks for a network's attention on one photo: how far the measurement is, then the verdict and its numbers.

import { el } from "../../../render/viewer/js/dom.js";
import { t } from "../../../render/viewer/js/language.js";
import { agreement, effects, focus, judged, positions } from "./evidence_numbers.js";
import { curves } from "./evidence_curves.js";

const INVITATION = t`Press Measure: a verdict in words appears here, with the numbers behind it and those of chance beside each.`;

/**
 * Shows a measurement. value: null; {share, what} while it runs; or {found, measures, baselines} as
 * attnviz.serve.tabs.evidence sends it.
 */
export function evidence(element, value) {
  const host = element.querySelector(".page-evidence");
  host.dataset.state = !value ? "empty" : value.found ? "drawn" : "working";
  if (value && value.found) host.replaceChildren(...report(value));
  else if (value) progress(host, value);
  else host.replaceChildren(el("div", { class: "page-message" }, el("p", {}, INVITATION)));
}

function progress(host, { share }) {
  if (!host.querySelector("progress")) {
    const bar = el("progress", { max: 1, "aria-label": t`Share of the measurement that is done` });
    host.replaceChildren(el("div", { class: "page-progress" }, bar, el("span", { class: "page-progress-words" })));
  }
  host.querySelector("progress").value = share;
  host.querySelector(".page-progress-words").textContent = `${Math.round(100 * share)} %`;
}

function report({ found, measures, baselines }) {
  const { faithfulness } = found;
  const untrained = found.trained ? null : el("p", {}, t`The weights are random: nothing here says anything about a trained network.`);
  const verdict = el("ul", { class: "page-verdict" }, found.verdict.map((sentence) => el("li", {}, sentence)));
  return [
    el("section", { "aria-label": t`Verdict` }, el("h2", {}, t`Verdict`), untrained, verdict),
    found.effects.length ? section(t`Does it matter?`, effects(found)) : null,
    faithfulness ? section(t`Does the answer rest on the places it marks?`, [curves(faithfulness, found.category), ...judged(faithfulness), ...agreement(faithfulness)]) : null,
    found.positions.length ? section(t`Does it depend on the query?`, positions(found.positions)) : null,
    found.focus.maps.length ? section(t`Does it focus?`, focus(found.focus, measures, baselines)) : null,
  ].filter(Boolean);
}

function section(title, content) {
  return el("section", { "aria-label": title }, el("h2", {}, title), content);
}
