// Coarse to fine: what each attention module along the trunk did, stage by stage.

import { createAppearance } from "./appearance.js";
import { createBars } from "./bars.js";
import { segmented } from "./controls.js";
import { gateOf, strongestChannel } from "./data.js";
import { el } from "./dom.js";
import { paintMap } from "./draw.js";
import { number, percent, range, rawLine } from "./format.js";
import { createBar, createPanel, createPicture } from "./picture.js";
import { createPlayer } from "./player.js";
import { scaleFor } from "./scale.js";
import { flatRemark, kindSentence, stageSentences } from "./wording.js";

const SCALINGS = [
  { value: "each", label: "Each", title: "Each picture's own range: shows detail, hides how flat a map is" },
  { value: "shared", label: "Shared", title: "One range per quantity for all stages: brightness can be compared" },
  { value: "full", label: "Full", title: "All values the quantity can take by definition, where there are such" },
];

/** The view; returns its root. */
export function stagesView(context) {
  const { data } = context;
  const gates = data.stages.map((stage) => ({ stage, channel: strongestChannel(stage) }));
  const painters = [];
  const context2 = { ...context, gates, painters, repaint: () => painters.forEach((paint) => paint()) };
  const root = el("div", { class: "av-view av-view--stages" }, createAppearance(context, SCALINGS), theatre(context2));
  if (data.stages.length) root.append(legend(data.stages[0].fusion), ...data.stages.map((s, i) => stageRow(context2, s, i)));
  const others = otherMaps(data);
  if (others.length) root.append(otherSection(context2, others));
  context.settings.subscribe((name) => ["palette", "scaling"].includes(name) && context2.repaint(), context.signal);
  context2.repaint();
  return root;
}

/** Maps that belong to no BAM. */
function otherMaps(data) {
  const used = new Set(data.stages.flatMap((s) => [s.spatial.label, s.gain.label]));
  return [...data.maps.values()].filter((m) => !used.has(m.label) && m.kind !== "position_received");
}

/** The quantities the one big picture can go through: [{name, maps: () => [...]}]. */
function quantities({ data, gates }) {
  const list = [];
  if (data.stages.length) {
    const words = stageSentences(data.stages[0].fusion);
    list.push({ value: "gain", label: words.gain[0], text: words.gain[1], maps: () => data.stages.map((s) => s.gain) });
    list.push({ value: "spatial", label: words.spatial[0], text: words.spatial[1], maps: () => data.stages.map((s) => s.spatial) });
    list.push({ value: "gate", label: words.gate[0], text: words.gate[1], maps: () => gates.map((g) => gateOf(g.stage, g.channel)) });
  }
  for (const [kind, maps] of Map.groupBy ? Map.groupBy(otherMaps(data), (m) => m.kind) : grouped(otherMaps(data))) {
    list.push({ value: kind, label: kind.replaceAll("_", " "), text: kindSentence(kind), maps: () => maps });
  }
  return list;
}

function grouped(maps) {
  const groups = new Map();
  for (const map of maps) groups.set(map.kind, [...(groups.get(map.kind) || []), map]);
  return groups;
}

/** The big picture with its scrubber, and beside it what it shows and what the network predicts. */
function theatre(context) {
  const { data, settings, signal, palettes, painters } = context;
  const choices = quantities(context);
  if (!choices.length) return el("p", { class: "av-empty" }, "This network has no spatial attention along its trunk.");
  let quantity = choices[0];
  let at = quantity.maps().length - 1;
  const picture = createPicture(data.photo, "The photo with the attention of one stage over it");
  picture.root.classList.add("av-picture--large");
  const bar = createBar();
  const caption = el("p", { class: "av-theatre__caption" });
  const sentence = el("p", { class: "av-theatre__sentence" });
  let layers = [];
  const playerBox = el("div");

  function build() {
    layers.forEach((canvas) => canvas.remove());
    layers = quantity.maps().map(() => picture.layer());
    at = Math.min(at, layers.length - 1);
    const labels = quantity.maps().map((m, i) => `${m.stage ? `Stage ${m.stage}` : data.stages[i] ? `Stage ${data.stages[i].stage}` : m.title} · ${m.grid[0]} × ${m.grid[1]}`);
    playerBox.replaceChildren(createPlayer({ labels, at, onStop: stop, signal }).root);
  }
  function stop(index) {
    at = index;
    show();
  }
  function show() {
    const maps = quantity.maps();
    const map = maps[at];
    const table = palettes.get(settings.get("palette")).table;
    layers.forEach((canvas, i) => canvas.classList.toggle("av-layer--off", i !== at));
    const scale = scaleFor(map.extent, maps.map((m) => m.extent), map.bounds, settings.get("scaling"));
    bar.paint(scale, table, map.unit);
    caption.textContent = `${rawLine(map)}. ${flatRemark(map.extent, map.bounds)}`;
    sentence.textContent = quantity.text;
  }
  painters.push(() => {
    const maps = quantity.maps();
    const table = palettes.get(settings.get("palette")).table;
    maps.forEach((map, i) => {
      const scale = scaleFor(map.extent, maps.map((m) => m.extent), map.bounds, settings.get("scaling"));
      paintMap(layers[i], map.values, map.grid, scale, table);
    });
    show();
  });
  build();
  const choice = segmented({
    label: "Quantity",
    options: choices,
    value: quantity.value,
    onChange: (value) => {
      quantity = choices.find((q) => q.value === value);
      build();
      context.repaint();
    },
    signal,
  });
  return el(
    "section",
    { class: "av-theatre", "aria-label": "Stage by stage on one picture" },
    el("div", { class: "av-theatre__picture" }, picture.root),
    el("div", { class: "av-theatre__side" }, choices.length > 1 ? choice.root : null, playerBox, bar.root, caption, sentence, predictions(data)),
  );
}

function predictions(data) {
  if (!data.predictions.length) return null;
  return el(
    "section",
    { class: "av-predictions" },
    el("h2", { class: "av-heading" }, "What the network says"),
    el(
      "ol",
      { class: "av-ranking" },
      data.predictions.map((p) => {
        const fill = el("span", { class: "av-ranking__fill" });
        fill.style.width = `${100 * p.probability}%`;
        return el(
          "li",
          {},
          el("span", { class: "av-ranking__name" }, p.category),
          el("span", { class: "av-ranking__value" }, percent(p.probability)),
          el("span", { class: "av-ranking__track", "aria-hidden": "true" }, fill),
        );
      }),
    ),
  );
}

function legend(fusion) {
  return el(
    "dl",
    { class: "av-legend" },
    Object.values(stageSentences(fusion)).map(([term, text]) => el("div", {}, el("dt", {}, term), el("dd", {}, text))),
  );
}

function stageRow(context, stage, index) {
  const { data, settings, palettes, painters } = context;
  const { grid } = stage.spatial;
  const name = `Stage ${stage.stage}`;
  const make = (title, withMap = true) =>
    createPanel({ title, photo: data.photo, withMap, alt: `${name}: ${title.toLowerCase()}` });
  const photo = make("Photo", false);
  photo.note.textContent = `${data.photo.height} × ${data.photo.width} pixels`;
  const [spatial, gate, gain] = [make("Spatial logit"), make("Gate"), make("Effective gain")];
  const bars = channelPanel(context, stage, index);
  painters.push(() => {
    const table = palettes.get(settings.get("palette")).table;
    const paint = (panel, map, peers, text) => {
      const scale = scaleFor(map.extent, peers.map((m) => m.extent), map.bounds, settings.get("scaling"));
      panel.paint({ ...map, text: [rawLine(map), text].filter(Boolean).join(". ") }, scale, table);
    };
    const chosen = context.gates.map((g) => gateOf(g.stage, g.channel));
    paint(spatial, stage.spatial, data.stages.map((s) => s.spatial), "");
    paint(gate, chosen[index], chosen, flatRemark(chosen[index].extent, [0, 1]));
    gate.heading.textContent = `Gate of channel ${context.gates[index].channel}`;
    paint(gain, stage.gain, data.stages.map((s) => s.gain), flatRemark(stage.gain.extent, stage.gain.bounds));
  });
  return el(
    "section",
    { class: "av-stage", "aria-label": name },
    el(
      "header",
      { class: "av-stage__header" },
      el("h2", { class: "av-heading" }, name),
      el("p", { class: "av-meta" }, `${grid[0]} × ${grid[1]} locations of ${stage.stride} × ${stage.stride} pixels · ${stage.channels} channels · logits joined by ${stage.fusion}`),
    ),
    el("div", { class: "av-stage__panels" }, photo.root, spatial.root, bars, gate.root, gain.root),
  );
}

function channelPanel(context, stage, index) {
  const low = Math.min(...stage.channelLogit);
  const high = Math.max(...stage.channelLogit);
  const chosen = el("span", { class: "av-bars__name" });
  const say = (channel) => {
    chosen.textContent = `channel ${channel}: ${number(stage.channelLogit[channel])}`;
  };
  const bars = createBars({
    values: stage.channelLogit,
    chosen: context.gates[index].channel,
    label: `Stage ${stage.stage}: channel whose gate is shown, ranked by logit`,
    unit: "logit",
    onPick: (channel) => {
      context.gates[index].channel = channel;
      say(channel);
      context.repaint();
    },
    signal: context.signal,
  });
  say(context.gates[index].channel);
  bars.root.style.aspectRatio = `${context.data.photo.width} / ${context.data.photo.height}`;
  return el(
    "figure",
    { class: "av-panel" },
    el("figcaption", { class: "av-panel__caption" }, el("span", { class: "av-panel__title" }, "Channel logits")),
    bars.root,
    el("div", { class: "av-bar" }, chosen),
    el("span", { class: "av-panel__note" }, `raw ${range(low, high, "logit")}, ranked`),
  );
}

function otherSection(context, maps) {
  const { data, settings, palettes, painters } = context;
  const panels = maps.map((map) => createPanel({ title: map.title, photo: data.photo, alt: map.title }));
  painters.push(() => {
    const table = palettes.get(settings.get("palette")).table;
    maps.forEach((map, i) => {
      const peers = maps.filter((m) => m.kind === map.kind).map((m) => m.extent);
      const scale = scaleFor(map.extent, peers, map.bounds, settings.get("scaling"));
      panels[i].paint({ ...map, text: rawLine(map) }, scale, table);
    });
  });
  return el(
    "section",
    { class: "av-stage", "aria-label": "Every map" },
    el("header", { class: "av-stage__header" }, el("h2", { class: "av-heading" }, "Every map")),
    el("div", { class: "av-stage__grid" }, panels.map((p) => p.root)),
  );
}
