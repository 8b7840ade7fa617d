// Cross attention: where a query of its own looks on the photo, and which queries look at a place of it.

import { createAppearance } from "./appearance.js";
import { attentionSentence, createAttentionChoice, headOf } from "./attention_choice.js";
import { arrow, neighbour } from "./cells.js";
import { createChannelChart, rankedChannels } from "./channel_chart.js";
import { segmented, slider } from "./controls.js";
import { photoPixel } from "./data.js";
import { el, oncePerFrame } from "./dom.js";
import { paintMap } from "./draw.js";
import { number, percent } from "./format.js";
import { t } from "./language.js";
import { createLoader } from "./loader.js";
import { cellAt, createBar, createPicture, placeBox } from "./picture.js";
import { createAnnouncer, whereLine } from "./readout.js";

const MODES = [
  { value: "row", label: t`Where a query looks`, title: t`The row of the attention matrix: where the chosen query looks on the photo` },
  { value: "column", label: t`Who looks at a place`, title: t`The column of the attention matrix: which queries look at the place under the pointer` },
];
const HELP = {
  objects: t`Choose a query to see where it looks; point at the photo, or move there with arrow keys, to see who looks at that place.`,
  places: t`Point at the photo, or move there with arrow keys, to choose a place.`,
};

/** Whose queries they are, in a sentence. */
function introduction({ objects, queries: [rows, columns] }) {
  if (objects) return t`Queries that are no places, ${rows} of them, look at the places of the photo.`;
  return t`Queries on a grid of ${rows} × ${columns} places look at places of another grid.`;
}

/** The view; returns its root. */
export function crossView(context) {
  const { data, settings, signal } = context;
  const split = el("div", { class: "av-split" });
  const busy = el("p", { class: "av-meta av-busy", role: "status" });
  const state = { mode: "row", at: { row: -1, column: -1 } }; // of every attention that is chosen; -1: none yet
  let shown = null;
  const modes = segmented({ label: t`Show`, options: MODES, value: state.mode, onChange: (mode) => { state.mode = mode; shown.draw(); }, signal });
  const setMode = (mode) => {
    state.mode = mode;
    modes.set(mode);
    shown.draw();
  };
  const loader = createLoader(context, data.cross, split, busy, (position, head) => {
    if (shown) shown.end();
    shown = drawAttention({ ...context, position, sentence: attentionSentence(position, head) }, headOf(position, head), state, setMode, split);
  });
  const choice = createAttentionChoice({ positions: data.cross, first: data.cross.at(-1).label, kept: "cross_attention" }, settings, signal, loader);
  settings.subscribe((name, value) => {
    if (name === "colormap" && shown) shown.draw();
    if (name === "site") choice.set(value);
  }, signal);
  choice.begin();
  return el(
    "div",
    { class: "av-view av-view--cross" },
    createAppearance(context),
    el("div", { class: "av-toolbar" }, choice.root, modes.root),
    busy,
    split,
  );
}

/** Fills the split with one attention, or one head of it; `end` stops it from answering. */
function drawAttention(context, attention, state, setMode, split) {
  const { data, position, settings, colormaps } = context;
  const life = new AbortController();
  context.signal.addEventListener("abort", () => life.abort(), { once: true, signal: life.signal });
  const signal = life.signal;
  const count = position.queries[0] * position.queries[1];
  keepInside(state.at, count, position.count, position);
  const stage = createStage(data, position, context.id);
  const side = createSide(context, position, count, signal, (at) => {
    state.at.row = at;
    setMode("row");
  });
  const grid = () => (state.mode === "row" ? position.queries : position.grid);
  const values = { row: new Float32Array(position.count), column: new Float32Array(count) };
  const draw = () => {
    const at = state.at[state.mode];
    const peak = attention[state.mode](at, values[state.mode]);
    const table = colormaps.get(settings.get("colormap")).table;
    stage.draw(state.mode, values[state.mode], peak, table, at);
    side.draw(state.mode, values[state.mode], peak, at);
  };
  const drawSoon = oncePerFrame(draw, signal);
  listen(stage.picture, () => (position.objects ? position.grid : grid()), signal, (cell) => {
    if (position.objects && state.mode === "row") setMode("column"); // a place of the photo is no query
    if (cell === state.at[state.mode]) return;
    state.at[state.mode] = cell;
    drawSoon();
  }, () => state.at[position.objects ? "column" : state.mode]);
  split.replaceChildren(stage.root, side.root);
  draw();
  return { draw, end: () => life.abort() };
}

/** Keeps what was chosen on another attention where this one has it too, else starts in the middle. */
function keepInside(at, queries, keys, { objects, queries: rows, grid }) {
  const middle = ([height, width]) => Math.floor(height / 2) * width + Math.floor(width / 2);
  if (at.row < 0 || at.row >= queries) at.row = objects ? 0 : middle(rows);
  if (at.column < 0 || at.column >= keys) at.column = middle(grid);
}

/** The photo with what is looked at, or with who looks. */
function createStage(data, position, id) {
  const picture = createPicture(data.view, "");
  const canvas = picture.layer();
  const bar = createBar();
  const cursor = el("span", { class: "av-cursor", "aria-hidden": "true" });
  const help = el("p", { class: "av-help", id: `${id}-cross-help` }, position.objects ? HELP.objects : HELP.places);
  picture.root.append(cursor);
  picture.root.classList.add("av-picture--large", "av-picture--live");
  const roles = { role: "application", tabindex: "0", "aria-label": t`Photo: choose a place`, "aria-describedby": help.id };
  for (const [name, value] of Object.entries(roles)) picture.root.setAttribute(name, value);
  return {
    root: el("div", { class: "av-split__main" }, picture.root, bar.root, help),
    picture: picture.root,
    draw(mode, values, peak, table, at) {
      const looked = mode === "row";
      const scale = { low: 0, high: peak };
      canvas.hidden = bar.root.hidden = !looked && position.objects; // who looks is a list then, and no map
      if (!canvas.hidden) paintMap(canvas, values, looked ? position.grid : position.queries, scale, table);
      bar.paint(scale, table, "share");
      cursor.hidden = looked && position.objects;
      placeBox(cursor, looked ? position.queries : position.grid, at);
    },
  };
}

/** Pointer and keys on the photo. */
function listen(node, gridNow, signal, onCell, cellNow) {
  const point = (event) => {
    const cell = cellAt(event, node, gridNow());
    if (cell >= 0) onCell(cell);
  };
  node.addEventListener("pointerdown", point, { signal });
  node.addEventListener("click", point, { signal });
  node.addEventListener("pointermove", (event) => (event.buttons || event.pointerType === "mouse") && node.matches(":focus") && point(event), { signal });
  node.addEventListener("keydown", (event) => {
    const step = arrow(event.key);
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    onCell(neighbour(cellNow(), gridNow(), ...step));
  }, { signal });
}

/** Beside the photo: which query, what it looks at most, and who looks at a place. */
function createSide({ data, sentence }, position, count, signal, onQuery) {
  const title = el("p", { class: "av-readout__class" });
  const lines = [0, 1, 2].map(() => el("p", { class: "av-readout__line" }));
  const announcer = createAnnouncer(signal);
  const ranking = el("div", { class: "av-cross-queries" });
  const chooser = position.objects && count > 1
    ? slider({ label: t`Query`, min: 0, max: count - 1, step: 1, value: 0, words: (at) => t`${at} of ${count}, from 0`, onInput: onQuery, signal })
    : null;
  const where = (grid, at) => whereLine(photoPixel(data.geometry, grid, at), grid, at);
  const rowTexts = (values, peak, at) => {
    const total = values.reduce((sum, value) => sum + value, 0);
    const beside = position.others ? t`${percent(Math.max(0, 1 - total))} falls on tokens that are no places.` : "";
    return [position.objects ? "" : where(position.queries, at), t`Largest weight ${percent(peak)}, ${number(peak * position.count)} times an even spread.`, beside];
  };
  const columnTexts = (values, peak, at) => {
    const [first] = rankedChannels(values);
    return [where(position.grid, at), position.objects ? t`Query ${first} looks here most, with ${percent(peak)} of its attention.` : t`The query that looks here most does so with ${percent(peak)} of its attention.`, ""];
  };
  return {
    root: el(
      "div",
      { class: "av-split__side" },
      chooser && chooser.root,
      el("section", { class: "av-readout", "aria-label": t`Place of the photo` }, title, lines),
      announcer.root,
      ranking,
      el("p", { class: "av-gamma" }, introduction(position)),
      sentence ? el("p", { class: "av-gamma" }, sentence) : null,
    ),
    draw(mode, values, peak, at) {
      const looked = mode === "row";
      if (looked && chooser) chooser.set(at);
      title.textContent = looked ? (position.objects ? t`Query ${at}` : t`Query at a place`) : t`Place of the photo`;
      const texts = looked ? rowTexts(values, peak, at) : columnTexts(values, peak, at);
      lines.forEach((line, i) => {
        line.textContent = texts[i];
      });
      announcer.say([title.textContent, ...texts].filter(Boolean).join(". "));
      const ranked = !looked && position.objects;
      ranking.replaceChildren(...(ranked ? [queryChart(values, signal, onQuery)] : []));
    },
  };
}

/** How much of each query's attention falls on a place, as bars; one that is chosen is shown. */
function queryChart(values, signal, onQuery) {
  const [first] = rankedChannels(values);
  return createChannelChart({ values: Array.from(values), chosen: first, label: t`Queries ranked by how much of their attention falls on this place`, unit: "", onPick: onQuery, signal }).root;
}
