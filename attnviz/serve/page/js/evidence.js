// The Evidence tab: an invitation, how far a measurement is, or what it found, drawn as the viewer draws it.

import { el } from "../../../render/viewer/js/dom.js";
import { evidenceReport } from "../../../render/viewer/js/evidence.js";
import { t } from "../../../render/viewer/js/language.js";
import { dressed } from "../../../render/viewer/js/mount.js";

const INVITATION = t`Press Measure: a verdict in words appears here, with the numbers behind it and those of chance beside each.`;

let life = new AbortController(); // of the report on the page

/**
 * Shows a measurement. value: null; {share, what} while it runs; or what attnviz/render/viewer/evidence_part.py makes.
 */
export function evidence(element, value) {
  const host = element.querySelector(".page-evidence");
  host.dataset.state = !value ? "empty" : value.found ? "drawn" : "working";
  if (value && value.found) report(host, value);
  else if (value) progress(host, value);
  else host.replaceChildren(el("div", { class: "page-message" }, el("p", {}, INVITATION)));
}

function report(host, value) {
  life.abort();
  life = new AbortController();
  host.replaceChildren(dressed(el("div", {}, evidenceReport(value)), life.signal));
}

function progress(host, { share }) {
  if (!host.querySelector("progress")) {
    const bar = el("progress", { max: 1, "aria-label": t`Share of the measurement that is done` });
    host.replaceChildren(el("div", { class: "page-progress" }, bar, el("span", { class: "page-progress-words" })));
  }
  host.querySelector("progress").value = share;
  host.querySelector(".page-progress-words").textContent = `${Math.round(100 * share)} %`;
}
