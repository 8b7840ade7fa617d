// Gates per channel, module by module: what features are multiplied by, as ranked bars.

import { createChannelChart, rankedChannels } from "./channel_chart.js";
import { chooser } from "./controls.js";
import { el } from "./dom.js";
import { number, rawLine } from "./format.js";
import { flatRemark, kindSentence } from "./wording.js";

/** The section; the deepest module comes first, and where there are several, one is chosen. */
export function createChannelGates({ data, signal }) {
  const gates = data.channelGates;
  const box = el("div", { class: "av-gates__module" });
  const show = (label) => box.replaceChildren(...moduleParts(gates.find((gate) => gate.label === label), signal));
  const value = gates.at(-1).label;
  const options = gates.map(({ label, title }) => ({ value: label, label: title }));
  const choice = gates.length > 1 ? el("div", { class: "av-toolbar" }, chooser({ label: "Module", options, value, onChange: show, signal }).root) : null;
  show(value);
  return el(
    "section",
    { class: "av-gates", "aria-label": "Channel gates" },
    el("h2", { class: "av-heading" }, "Channel gates"),
    el("p", { class: "av-meta" }, kindSentence("channel_gate")),
    choice,
    box,
  );
}

function moduleParts(gate, signal) {
  const { title, values, extent, count, stride, stage } = gate;
  const ranked = rankedChannels(values);
  const chosen = el("p", { class: "av-readout__line" });
  const say = (channel) => {
    chosen.textContent = `Channel ${channel}: ${number(values[channel])}, rank ${ranked.indexOf(channel) + 1} of ${count}`;
  };
  const chart = createChannelChart({ values, chosen: ranked[0], label: `${title}: channels ranked by gate`, unit: "gate", top: 1, onPick: say, signal });
  say(ranked[0]);
  const place = [stage === null ? "" : `stage ${stage}`, `${count} channels`, `locations of ${stride} × ${stride} pixels`];
  const notes = [rawLine({ values, extent, unit: "gate" }), flatRemark(extent, [0, 1])].filter(Boolean);
  return [chart.root, chosen, el("p", { class: "av-meta" }, `${notes.join(". ")} · ${place.filter(Boolean).join(" · ")}`)];
}
