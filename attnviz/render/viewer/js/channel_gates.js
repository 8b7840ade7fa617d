// Gates per channel, module by module: what features are multiplied by, as ranked bars.

import { createChannelChart, rankedChannels } from "./channel_chart.js";
import { chooser } from "./controls.js";
import { el } from "./dom.js";
import { number, rawLine } from "./format.js";
import { t } from "./language.js";
import { stagesOf } from "./stage_groups.js";
import { flatRemark, kindSentence } from "./wording.js";

const FEW = 20; // modules that one list shows well

/** The section; the deepest module comes first, and where there are several, one is chosen. */
export function createChannelGates({ data, settings, signal }) {
  const gates = data.channelGates;
  const box = el("div", { class: "av-gates__module" });
  const show = (label) => box.replaceChildren(...moduleParts(gates.find((gate) => gate.label === label), signal));
  const known = (label) => gates.some((gate) => gate.label === label);
  const value = known(settings.get("site")) ? settings.get("site") : gates.at(-1).label;
  const list = chooser({ label: t`Module`, options: inStages(gates), value, onChange: show, signal });
  const choice = gates.length > 1 ? el("div", { class: "av-toolbar" }, list.root) : null;
  settings.subscribe((name, label) => {
    if (name !== "site" || !known(label)) return;
    list.set(label);
    show(label);
  }, signal);
  show(value);
  return el(
    "section",
    { class: "av-gates", "aria-label": t`Channel gates` },
    el("h2", { class: "av-heading" }, t`Channel gates`),
    el("p", { class: "av-meta" }, kindSentence("channel_gate")),
    choice,
    box,
  );
}

/** Options for a list of modules, in groups by stage where there are many. */
function inStages(gates) {
  const option = ({ label, title }) => ({ value: label, label: title });
  if (gates.length <= FEW) return gates.map(option);
  return stagesOf(gates).map(({ name, entries }) => ({ group: name, options: entries.map(option) }));
}

/** A module's gates as ranked bars, of which one is read out: nodes, and a note on their range. */
export function gateBars({ title, values, extent, count }, signal) {
  const ranked = rankedChannels(values);
  const chosen = el("p", { class: "av-readout__line" });
  const say = (channel) => {
    chosen.textContent = t`Channel ${channel}: ${number(values[channel])}, rank ${ranked.indexOf(channel) + 1} of ${count}`;
  };
  const chart = createChannelChart({ values, chosen: ranked[0], label: t`${title}: channels ranked by gate`, unit: "gate", top: 1, onPick: say, signal });
  say(ranked[0]);
  const note = [rawLine({ values, extent, unit: "gate" }), flatRemark(extent, [0, 1])].filter(Boolean).join(t`. `);
  return { nodes: [chart.root, chosen], note };
}

function moduleParts(gate, signal) {
  const { nodes, note } = gateBars(gate, signal);
  const { count, stride, stage } = gate;
  const place = [stage === null ? "" : t`stage ${stage}`, t`${count} channels`, t`locations of ${stride} × ${stride} pixels`];
  return [...nodes, el("p", { class: "av-meta" }, `${note} · ${place.filter(Boolean).join(" · ")}`)];
}
