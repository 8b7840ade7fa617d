// BAM, CBAM, SGE and SE on one photo: a column each, stage by stage, their gates of places and of channels.

import { createAppearance } from "./appearance.js";
import { placed } from "./cells.js";
import { gateBars } from "./channel_gates.js";
import { el } from "./dom.js";
import { percent, rawLine } from "./format.js";
import { t } from "./language.js";
import { mapScale, PAINT_SETTINGS } from "./map_scale.js";
import { createPanel } from "./picture.js";
import { createProbe } from "./probe.js";
import { stageName } from "./stage_groups.js";
import { flatRemark, kindSentence } from "./wording.js";

const KINDS = ["effective_gain", "spatial_gate", "group_gate"]; // gates of places, one for each family that has them
const SCALINGS = [
  { value: "each", label: t`Each`, title: t`Each picture's own range: shows detail, hides how flat a map is` },
  { value: "shared", label: t`Shared`, title: t`One range for all stages of a family: brightness can be compared within it` },
  { value: "full", label: t`Full`, title: t`All values the quantity can take by definition, where there are such` },
];

/** The view of [{family, data}]; returns its root. */
export function familiesView(context) {
  const { families, settings, signal } = context;
  const painters = [];
  const linked = new Set(families.map(({ data }) => data.geometry.crop.join())).size === 1; // else the same point is another place
  const probe = createProbe({ signal, onMove: () => {} });
  const inner = { ...context, painters, probe: linked ? probe : null };
  const repaint = () => {
    painters.forEach((paint) => paint());
    probe.again();
  };
  const rows = stagesOfAll(families).map((stage) => stageRow(inner, stage));
  settings.subscribe((name) => PAINT_SETTINGS.includes(name) && repaint(), signal);
  repaint();
  return el(
    "div",
    { class: "av-view av-view--families" },
    createAppearance(context, SCALINGS, "map"),
    el("div", { class: "av-families" }, families.map(familyHead)),
    rows,
  );
}

/** Every stage of any family, as {stage, stride}, in order. */
function stagesOfAll(families) {
  const found = new Map();
  for (const { data } of families) {
    const gates = [...mapsOf(data), ...data.channelGates].filter(({ stage }) => stage !== null);
    for (const { stage, stride } of gates) if (!found.has(stage)) found.set(stage, { stage, stride });
  }
  return [...found.values()].sort((a, b) => a.stage - b.stage);
}

/** The gates of places that a family is compared by. */
function mapsOf(data) {
  return [...data.maps.values()].filter((map) => KINDS.includes(map.kind));
}

function familyHead({ family, data }) {
  const { model, predictions } = data;
  const says = predictions.slice(0, 3).map((p) => el("li", {}, el("span", { class: "av-ranking__name" }, p.category), el("span", { class: "av-ranking__value" }, percent(p.probability))));
  const weights = model.trained ? "" : t`Random weights`;
  return el(
    "section",
    { class: "av-family", "aria-label": family },
    el("h2", { class: "av-heading" }, family),
    el("p", { class: "av-meta" }, [model.name, weights].filter(Boolean).join(" · ")),
    says.length ? el("ol", { class: "av-ranking" }, says) : null,
  );
}

/** A stage: of each family the last module in it. */
function stageRow(context, stage) {
  const cells = context.families.map((entry) => familyCell(context, entry, stage));
  return el(
    "section",
    { class: "av-stage", "aria-label": stageName(stage) },
    el("header", { class: "av-stage__header" }, el("h2", { class: "av-heading" }, stageName(stage)), el("p", { class: "av-meta" }, t`locations of ${stage.stride} × ${stage.stride} pixels`)),
    el("div", { class: "av-families" }, cells),
  );
}

function familyCell(context, { family, data }, { stage }) {
  const map = mapsOf(data).filter((m) => m.stage === stage).at(-1);
  const gate = data.channelGates.filter((g) => g.stage === stage).at(-1);
  const parts = [map ? mapPanel(context, family, data, map) : null, gate ? gatePanel(context, family, gate) : null];
  const none = el("p", { class: "av-empty" }, t`${family} has nothing here.`);
  return el("div", { class: "av-family" }, map || gate ? parts : none);
}

function mapPanel({ settings, colormaps, painters, probe }, family, data, map) {
  const panel = createPanel({ title: `${family} · ${map.title}`, photo: data.view, alt: `${family} · ${map.title}` });
  panel.root.title = kindSentence(map.kind);
  const peers = mapsOf(data).filter((m) => m.kind === map.kind);
  painters.push(() => {
    const scale = mapScale(map, peers, settings);
    const text = [rawLine(map), flatRemark(map.extent, map.bounds)].filter(Boolean).join(t`. `);
    panel.paint({ ...placed(map, settings, data.geometry), text }, scale, colormaps.get(settings.get("colormap")).table);
  });
  if (probe) {
    probe.follow(panel.picture.root);
    probe.add(panel);
  }
  return panel.root;
}

function gatePanel({ signal }, family, gate) {
  const { nodes, note } = gateBars(gate, signal);
  const caption = el("figcaption", { class: "av-panel__caption" }, el("span", { class: "av-panel__title" }, `${family} · ${gate.title}`));
  return el("figure", { class: "av-panel", title: kindSentence("channel_gate") }, caption, nodes, el("span", { class: "av-panel__note" }, note));
}
