// Coarse to fine: what each attention module along the trunk did, stage by stage.

import { createAppearance } from "./appearance.js";
import { placed } from "./cells.js";
import { createChannelChart } from "./channel_chart.js";
import { button } from "./controls.js";
import { gateOf, strongestChannel } from "./data.js";
import { el } from "./dom.js";
import { number, range, rawLine } from "./format.js";
import { createGroupGates } from "./group_gates.js";
import { t, word } from "./language.js";
import { PAINT_SETTINGS, mapScale } from "./map_scale.js";
import { createPanel } from "./picture.js";
import { predictionList } from "./predictions.js";
import { createProbe } from "./probe.js";
import { createAnnouncer } from "./readout.js";
import { valueAt } from "./scale.js";
import { stagesOf } from "./stage_groups.js";
import { createStagePlayer, otherMaps } from "./stage_player.js";
import { flatRemark, stageSentences } from "./wording.js";

const AT_FIRST = 12; // maps of a stage; more are shown when asked for
const SCALINGS = [
  { value: "each", label: t`Each`, title: t`Each picture's own range: shows detail, hides how flat a map is` },
  { value: "shared", label: t`Shared`, title: t`One range per quantity for all stages: brightness can be compared` },
  { value: "full", label: t`Full`, title: t`All values the quantity can take by definition, where there are such` },
];

/** The view; returns its root. */
export function stagesView(context) {
  const { data, settings, signal } = context;
  const gates = data.stages.map((stage) => ({ stage, channel: strongestChannel(stage) }));
  const painters = [];
  const announcer = createAnnouncer(signal);
  const probe = createProbe({ signal, onMove: (point) => point && announcer.say(gainsAt(context, point)) });
  const inner = { ...context, gates, painters, probe, repaint };
  function repaint() {
    painters.forEach((paint) => paint());
    probe.again();
  }
  const player = createStagePlayer(inner, gates, predictionList(data));
  painters.push(player.paint);
  const root = el("div", { class: "av-view av-view--stages" }, createAppearance(context, SCALINGS, "map"), player.root);
  if (data.stages.length) root.append(legend(data), ...data.stages.map((s, i) => stageRow(inner, s, i)));
  const others = otherMaps(data);
  if (others.length) root.append(el("section", { "aria-label": t`Every map` }, otherSections(inner, others)));
  if (data.groupGates.length) root.append(createGroupGates(context));
  root.append(announcer.root);
  settings.subscribe((name) => PAINT_SETTINGS.includes(name) && repaint(), signal);
  repaint();
  return root;
}

/** The effective gains at a point, for those who do not see them. */
function gainsAt({ data, settings }, point) {
  const read = (gain) => number(valueAt(placed(gain, settings, data.geometry), ...point));
  return data.stages.map((s) => t`stage ${s.stage}: gain ${read(s.gain)}`).join(t`, `);
}

function legend(data) {
  const words = stageSentences(data.stages[0].fusion);
  if (data.backdrop) words.photo[1] += t` Maps lie over the same part of the photo, sharper.`;
  return el(
    "dl",
    { class: "av-legend" },
    Object.values(words).map(([term, text]) => el("div", {}, el("dt", {}, term), el("dd", {}, text))),
  );
}

function stageRow(context, stage, index) {
  const { data, settings, colormaps, painters } = context;
  const { grid } = stage.spatial;
  const name = t`Stage ${stage.stage}`;
  const make = (title, withMap = true) =>
    createPanel({ title, photo: withMap ? data.view : data.photo, withMap, alt: `${name}: ${title.toLowerCase()}` });
  const photo = make(t`Photo`, false);
  photo.note.textContent = t`${data.photo.width} × ${data.photo.height} pixels`;
  const [spatial, gate, gain] = [make(t`Spatial logit`), make(t`Gate`), make(t`Effective gain`)];
  for (const panel of [photo, spatial, gate, gain]) linked(context, panel);
  const chart = channelPanel(context, stage, index);
  painters.push(() => {
    const table = colormaps.get(settings.get("colormap")).table;
    const paint = (panel, map, peers, text) => {
      const scale = mapScale(map, peers, settings);
      panel.paint({ ...placed(map, settings, data.geometry), text: [rawLine(map), text].filter(Boolean).join(t`. `) }, scale, table);
    };
    const chosen = context.gates.map((g) => gateOf(g.stage, g.channel));
    paint(spatial, stage.spatial, data.stages.map((s) => s.spatial), "");
    paint(gate, chosen[index], chosen, flatRemark(chosen[index].extent, [0, 1]));
    gate.heading.textContent = t`Gate of channel ${context.gates[index].channel}`;
    paint(gain, stage.gain, data.stages.map((s) => s.gain), flatRemark(stage.gain.extent, stage.gain.bounds));
  });
  return el(
    "section",
    { class: "av-stage", "aria-label": name },
    el(
      "header",
      { class: "av-stage__header" },
      el("h2", { class: "av-heading" }, name),
      el("p", { class: "av-meta" }, t`${grid[0]} × ${grid[1]} locations of ${stage.stride} × ${stage.stride} pixels · ${stage.channels} channels · logits joined by ${word(stage.fusion)}`),
    ),
    el("div", { class: "av-stage__panels" }, photo.root, spatial.root, chart, gate.root, gain.root),
  );
}

function linked({ probe }, panel) {
  probe.follow(panel.picture.root);
  probe.add(panel);
}

function channelPanel(context, stage, index) {
  const low = Math.min(...stage.channelLogit);
  const high = Math.max(...stage.channelLogit);
  const chosen = el("span", { class: "av-channel-chart__name" });
  const say = (channel) => {
    chosen.textContent = t`channel ${channel}: ${number(stage.channelLogit[channel])}`;
  };
  const chart = createChannelChart({
    values: stage.channelLogit,
    chosen: context.gates[index].channel,
    label: t`Stage ${stage.stage}: channel whose gate is shown, ranked by logit`,
    unit: "logit",
    onPick: (channel) => {
      context.gates[index].channel = channel;
      say(channel);
      context.repaint();
    },
    signal: context.signal,
  });
  say(context.gates[index].channel);
  chart.root.style.aspectRatio = `${context.data.photo.width} / ${context.data.photo.height}`;
  return el(
    "figure",
    { class: "av-panel" },
    el("figcaption", { class: "av-panel__caption" }, el("span", { class: "av-panel__title" }, t`Channel logits`)),
    chart.root,
    el("div", { class: "av-bar" }, chosen),
    el("span", { class: "av-panel__note" }, t`raw ${range(low, high, "logit")}, ranked`),
  );
}

/** Every other map, stage by stage; of many in a stage the first and a button for the rest. */
function otherSections(context, maps) {
  const peers = (map) => maps.filter((m) => m.kind === map.kind);
  return stagesOf(maps).map(({ name, entries }) => otherSection(context, name, entries, peers));
}

function otherSection(context, name, maps, peersOf) {
  const { data, settings, colormaps, painters, signal } = context;
  const grid = el("div", { class: "av-stage__grid" });
  const add = (more) => {
    const panels = more.map((map) => createPanel({ title: map.title, photo: data.view, alt: map.title }));
    for (const panel of panels) linked(context, panel);
    const paint = () => {
      const table = colormaps.get(settings.get("colormap")).table;
      more.forEach((map, i) => {
        const scale = mapScale(map, peersOf(map), settings);
        panels[i].paint({ ...placed(map, settings, data.geometry), text: rawLine(map) }, scale, table);
      });
    };
    painters.push(paint);
    grid.append(...panels.map((panel) => panel.root));
    return paint;
  };
  const rest = maps.slice(AT_FIRST);
  add(maps.slice(0, AT_FIRST));
  const more = button({ label: t`Show the other ${rest.length}`, onClick: () => { more.remove(); add(rest)(); }, signal });
  const [rows, columns] = maps[0].grid;
  const places = maps.every((map) => map.grid[0] === rows && map.grid[1] === columns) ? t` · ${rows} × ${columns} locations` : "";
  return el(
    "section",
    { class: "av-stage", "aria-label": t`Maps of ${name.toLowerCase()}` },
    el("header", { class: "av-stage__header" }, el("h2", { class: "av-heading" }, name), el("p", { class: "av-meta" }, `${maps.length === 1 ? t`one map` : t`${maps.length} maps`}${places}`)),
    grid,
    rest.length ? more : null,
  );
}
