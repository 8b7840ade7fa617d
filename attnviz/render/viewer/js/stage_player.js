// The big picture of the stages view: one quantity, stage after stage.

import { placed } from "./cells.js";
import { segmented } from "./controls.js";
import { gateOf } from "./data.js";
import { el } from "./dom.js";
import { paintMap } from "./draw.js";
import { isGain, rawLine, withUnit } from "./format.js";
import { t } from "./language.js";
import { mapScale } from "./map_scale.js";
import { createBar, createPicture } from "./picture.js";
import { createPlayer } from "./player.js";
import { createCross } from "./probe.js";
import { valueAt } from "./scale.js";
import { flatRemark, kindSentence, stageSentences } from "./wording.js";

const POINT = t`Point at the picture to read values.`;

/** Maps that belong to no BAM. */
export function otherMaps(data) {
  const used = new Set(data.stages.flatMap((s) => [s.spatial.label, s.gain.label]));
  return [...data.maps.values()].filter((m) => !used.has(m.label) && m.kind !== "position_received");
}

/** The quantities to go through: [{value, label, text, name(map), maps()}]; gates depend on the channels chosen at the moment. */
export function quantities(data, gates) {
  const list = [];
  if (data.stages.length) {
    const words = stageSentences(data.stages[0].fusion);
    const name = (map) => t`Stage ${map.stage}`;
    const add = (value, maps) => list.push({ value, label: words[value][0], text: words[value][1], name, maps });
    add("gain", () => data.stages.map((s) => s.gain));
    add("spatial", () => data.stages.map((s) => s.spatial));
    add("gate", () => gates.map((g) => ({ ...gateOf(g.stage, g.channel), stage: g.stage.stage })));
  }
  const kinds = new Set(otherMaps(data).map((m) => m.kind));
  for (const kind of kinds) {
    const label = kind[0].toUpperCase() + kind.slice(1).replaceAll("_", " ");
    list.push({ value: kind, label, text: kindSentence(kind), name: (map) => map.title, maps: () => otherMaps(data).filter((m) => m.kind === kind) });
  }
  return list;
}

/** The big picture with its scrubber, and `beside` it what it shows. */
export function createStagePlayer(context, gates, beside) {
  const { data, settings, signal, probe } = context;
  const choices = quantities(data, gates);
  if (!choices.length) return { root: el("p", { class: "av-empty" }, t`This network has no spatial attention along its trunk.`), paint: () => {} };
  const screen = createScreen(context);
  let quantity = choices[0];
  let player = null;
  const playerBox = el("div");
  const sentence = el("p", { class: "av-stage-player__sentence" });
  const stop = (index) => {
    screen.goTo(index);
    probe.again();
  };
  function choose(value, index = null) {
    quantity = choices.find((q) => q.value === value);
    sentence.textContent = quantity.text;
    const maps = quantity.maps();
    screen.load(maps);
    if (index !== null) screen.goTo(index);
    if (player) player.pause();
    const labels = maps.map((m) => `${quantity.name(m)} · ${m.grid[0]} × ${m.grid[1]}`);
    player = createPlayer({ labels, at: screen.at(), onStop: stop, signal });
    playerBox.replaceChildren(player.root);
    probe.again();
  }
  const choice = segmented({ label: t`Quantity`, options: choices, value: quantity.value, onChange: (value) => choose(value), signal });
  const find = (label) => {
    if (!label) return false; // a gate has none
    for (const { value, maps } of choices) {
      const index = maps().findIndex((map) => map.label === label);
      if (index < 0) continue;
      choice.set(value);
      choose(value, index);
      return true;
    }
    return false;
  };
  if (!find(settings.get("site"))) choose(quantity.value);
  settings.subscribe((name, label) => name === "site" && find(label), signal);
  const side = [choices.length > 1 ? choice.root : null, playerBox, screen.bar, screen.here, screen.caption, sentence, beside];
  return {
    root: el(
      "section",
      { class: "av-stage-player", "aria-label": t`Stage by stage on one picture` },
      el("div", { class: "av-stage-player__picture" }, screen.root),
      el("div", { class: "av-stage-player__side" }, side),
    ),
    paint: () => screen.load(quantity.maps()),
  };
}

/** The picture itself: one layer per stage, of which one shows. */
function createScreen({ data, settings, colormaps, probe }) {
  const picture = createPicture(data.view, t`The photo with the attention of one stage over it`);
  const bar = createBar();
  const cross = createCross();
  const here = el("p", { class: "av-stage-player__here" }, POINT);
  const caption = el("p", { class: "av-stage-player__caption" });
  let maps = [];
  let layers = [];
  let at = Infinity; // the last one, to begin with
  picture.root.classList.add("av-picture--large");
  probe.follow(picture.root);
  probe.steer(picture.root, t`Photo with the attention of one stage: arrow keys read the value at a place in every picture`);
  probe.add({ show: showValue });

  function scale() {
    return mapScale(maps[at], maps, settings);
  }

  function showValue(point) {
    const map = maps[at];
    const value = point ? valueAt(map, ...point) : null;
    cross.place(point);
    bar.mark(value, scale());
    here.textContent = point ? t`Here ${withUnit(value, isGain(map.unit) ? map.unit : "")}` : POINT;
  }

  function goTo(index) {
    at = Math.min(index, maps.length - 1);
    const map = maps[at];
    layers.forEach((canvas, i) => canvas.classList.toggle("av-layer--off", i !== at));
    bar.paint(scale(), colormaps.get(settings.get("colormap")).table, map.unit);
    caption.textContent = t`${rawLine(map)}. ${flatRemark(map.extent, map.bounds)}`;
  }

  /** Shows other maps, or the same in other colours. */
  function load(next) {
    if (layers.length !== next.length) {
      layers.forEach((canvas) => canvas.remove());
      layers = next.map(() => picture.layer());
      picture.root.append(cross.root);
    }
    maps = next.map((map) => placed(map, settings, data.geometry));
    const table = colormaps.get(settings.get("colormap")).table;
    maps.forEach((map, i) => {
      paintMap(layers[i], map.values, map.grid, mapScale(map, maps, settings), table, map.place);
    });
    goTo(at);
  }

  return { root: picture.root, bar: bar.root, here, caption, load, goTo, at: () => at };
}
