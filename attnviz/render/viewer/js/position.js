// Position attention under the pointer: where a location looks, and who looks at it, live.

import { createAppearance } from "./appearance.js";
import { attentionSentence, createAttentionChoice, headOf } from "./attention_choice.js";
import { arrow, placeOfQuery } from "./cells.js";
import { chooser, segmented } from "./controls.js";
import { el, oncePerFrame } from "./dom.js";
import { paintMap } from "./draw.js";
import { percent } from "./format.js";
import { t } from "./language.js";
import { PAINT_SETTINGS, liveScale } from "./map_scale.js";
import { cellAt, createBar, createPicture, placeBox } from "./picture.js";
import { createPinPanels, mark } from "./pinpanels.js";
import { predictionList } from "./predictions.js";
import { moved, Query } from "./query.js";
import { besideLine, classLine, createAnnouncer, peakLine } from "./readout.js";
import { createLoader } from "./loader.js";
import { barSentence, gammaSentence } from "./wording.js";

const SCALINGS = [
  { value: "each", label: t`Each`, title: t`From 0 to the largest weight of each picture` },
  { value: "shared", label: t`Shared`, title: t`From 0 to the largest weight among all pins: brightness can be compared` },
];
const MODES = [
  { value: "row", label: t`Where it looks`, title: t`The row of the attention matrix: where this pixel looks` },
  { value: "column", label: t`Who looks at it`, title: t`The column of the attention matrix: who looks at this pixel` },
  { value: "received", label: t`Received`, title: t`Mean over all rows: what gets attention at all` },
];
const HEADS = { fused: t`Both heads, fused`, position: t`Position head alone`, channel: t`Channel head alone` };
const HELP =
  t`Point to look, click to pin. With keys: arrows move the query, with Shift by eight; Enter pins it; Delete removes the pin under it; L changes the colour scale, O whether the opacity follows the value.`;

/** The view; returns its root. */
export function positionView(context) {
  const { data, settings, signal, options } = context;
  const [first] = data.positions;
  const split = el("div", { class: "av-split" });
  let shown = null; // the attention on the screen: {query, showClasses, end}
  let head = ""; // whose classes lie over the photo
  const show = (position, sentence) => {
    const pins = shown ? pinned(shown.query, position.grid) : options.pins;
    const kept = shown ? shown.query.mode : "row";
    const query = new Query(data, position, pins, kept === "token" && !position.others ? "row" : kept);
    query.onPins = () => context.tell("attnviz-pins", told(query, first.grid));
    if (shown) shown.end();
    shown = drawAttention({ ...context, position, sentence }, query, split);
    shown.showClasses(head);
  };
  const modes = createModes((value) => shown && shown.query.setMode(value), signal);
  const busy = el("p", { class: "av-meta av-busy", role: "status" });
  const loader = createLoader(context, data.positions, split, busy, (position, chosen) => {
    modes.offer(position);
    show(headOf(position, chosen), attentionSentence(position, chosen));
    modes.set(shown.query.mode);
    const atFirst = position.label === (data.first_position || first.label) && chosen === "mean";
    context.tell("attnviz-attention", { label: position.label, head: chosen, atFirst, ...told(shown.query, first.grid) });
  });
  const choice = createAttentionChoice({ positions: data.positions, first: data.first_position, kept: "attention" }, settings, signal, loader);
  settings.subscribe((name, value) => {
    if (PAINT_SETTINGS.includes(name) && shown) shown.query.onChange();
    if (name === "site") choice.set(value);
  }, signal);
  const classes = classChoice(data, signal, (value) => {
    head = value;
    if (shown) shown.showClasses(value);
  });
  choice.begin();
  return el(
    "div",
    { class: "av-view av-view--position" },
    createAppearance(context, SCALINGS, "attention"),
    el("div", { class: "av-toolbar" }, choice.root, modes.root, classes),
    data.note ? el("p", { class: "av-meta" }, data.note) : null,
    busy,
    split,
  );
}

/** What is shown of an attention; where the class token or another looks, only where there is one. */
function createModes(onChange, signal) {
  const box = el("div");
  let control = null;
  let names = "";
  return {
    root: box,
    offer({ others = 0, class_token: named = false }) {
      const token = { value: "token", label: named ? t`Class token looks` : t`Other token looks`, title: t`Where the first token looks that is no location` };
      const options = others ? [...MODES, token] : MODES;
      const next = options.map((option) => option.label).join();
      if (next === names) return;
      names = next;
      control = segmented({ label: t`Show`, options, value: "row", onChange, signal });
      box.replaceChildren(control.root);
    },
    set: (mode) => control.set(mode),
  };
}

/** The pins of a query as [[row, column], ...] of a grid. */
function pinned(query, grid) {
  return query.pins.list().map((pin) => query.place(pin.cell)).map(({ row, column }) => moved([row, column], query.grid, grid));
}

/** What the page is told of the pins: their places on the first attention's grid, whichever they were set on. */
function told(query, grid) {
  const places = pinned(query, grid);
  return { mode: query.mode, pins: query.pins.list().map(({ number }, i) => ({ number, row: places[i][0], column: places[i][1] })) };
}

function classChoice({ segmentation }, signal, onChange) {
  if (!segmentation) return null;
  const heads = Object.keys(segmentation.heads).map((head) => ({ value: head, label: HEADS[head] || head }));
  return chooser({ label: t`Predicted classes`, options: [{ value: "", label: t`Not shown` }, ...heads], value: "", onChange, signal }).root;
}

/** Fills the split with one attention; `end` stops it from answering. */
function drawAttention(context, query, split) {
  const life = new AbortController();
  context.signal.addEventListener("abort", () => life.abort(), { once: true, signal: life.signal });
  const inner = { ...context, signal: life.signal };
  const stage = createStage(inner, query);
  const side = createSide(inner, query);
  const draw = () => {
    stage.draw();
    side.draw();
  };
  query.onChange = oncePerFrame(draw, life.signal);
  split.replaceChildren(stage.root, side.root);
  draw();
  return { query, showClasses: stage.showClasses, end: () => life.abort() };
}

/** The photo with the live attention: pointer, keys and pins. */
function createStage(context, query) {
  const { data, settings, colormaps, signal } = context;
  const picture = createPicture(data.view, "");
  const canvas = picture.layer();
  const bar = createBar();
  const key = el("p", { class: "av-meta av-bar-sentence" });
  const cursor = el("span", { class: "av-cursor", "aria-hidden": "true" });
  const marks = el("span", { class: "av-marks", "aria-hidden": "true" });
  const classes = data.segmentation ? createClasses(data) : null;
  const help = el("p", { class: "av-help", id: `${context.id}-help` }, HELP);
  const node = picture.root;
  node.append(...[classes && classes.overlay, cursor, marks].filter(Boolean));
  node.classList.add("av-picture--large", "av-picture--live");
  const roles = { role: "application", tabindex: "0", "aria-label": t`Photo: choose a location to see its attention`, "aria-describedby": help.id };
  for (const [name, value] of Object.entries(roles)) node.setAttribute(name, value);
  listen(node, query, () => placeOfQuery(context), signal);
  return {
    root: el("div", { class: "av-split__main" }, node, bar.root, key, classes ? classes.legend : null, help),
    showClasses: (head) => classes && classes.show(head),
    draw() {
      const weights = query.weights(query.cell);
      const scale = liveScale(query, weights, settings);
      const table = colormaps.get(settings.get("colormap")).table;
      const place = placeOfQuery(context);
      paintMap(canvas, weights.values, query.grid, scale, table, place);
      bar.paint(scale, table, "share");
      key.textContent = barSentence(scale);
      placeBox(cursor, query.grid, query.cell, place);
      cursor.hidden = query.mode === "token"; // it does not depend on the location
      marks.replaceChildren(...query.pins.list().map((pin) => mark(pin, query.grid, place)));
    },
  };
}

/** Pointer and keys on the photo. */
function listen(node, query, place, signal) {
  const look = (event) => query.moveTo(cellAt(event, node, query.grid, place()));
  node.addEventListener("pointermove", look, { signal });
  node.addEventListener("pointerdown", look, { signal });
  node.addEventListener("click", (event) => {
    const cell = cellAt(event, node, query.grid, place());
    if (cell >= 0) query.pin(cell);
  }, { signal });
  node.addEventListener("keydown", (event) => {
    if (onKey(event, query)) event.preventDefault();
  }, { signal });
}

function onKey({ key, shiftKey, ctrlKey, metaKey, altKey }, query) {
  if (ctrlKey || metaKey || altKey) return false;
  const step = arrow(key);
  if (step) query.step(...step, shiftKey);
  else if (key === "Enter" || key === " ") query.pin(query.cell);
  else if (key === "Delete" || key === "Backspace") query.unpin(query.cell);
  else return false;
  return true;
}

/** The predicted classes as an overlay, with their legend. */
function createClasses({ segmentation }) {
  const overlay = el("img", { class: "av-classes", alt: "", hidden: true, draggable: "false" });
  const colors = new Map(segmentation.categories.map((c) => [c.name, c.color]));
  const legend = el("ul", { class: "av-classlist", hidden: true, "aria-label": t`Predicted classes and their share of the picture` });
  const item = ([name, share]) => {
    const swatch = el("span", { class: "av-swatch", "aria-hidden": "true" });
    swatch.style.background = colors.get(name);
    return el("li", {}, swatch, `${name} ${percent(share)}`);
  };
  return {
    overlay,
    legend,
    /** The classes of one classifier; "" hides them. */
    show(head) {
      overlay.hidden = !head;
      legend.hidden = !head;
      if (!head) return;
      overlay.src = segmentation.heads[head];
      legend.replaceChildren(...segmentation.shares[head].map(item));
    },
  };
}

/** Beside the photo: the readout, gamma, and a picture per pin. */
function createSide(context, query) {
  const { position, signal } = context;
  const title = el("p", { class: "av-readout__class" });
  const lines = [0, 1, 2, 3].map(() => el("p", { class: "av-readout__line" }));
  const announcer = createAnnouncer(signal);
  const panels = createPinPanels(context, query);
  const root = el(
    "div",
    { class: "av-split__side" },
    el("section", { class: "av-readout", "aria-label": t`The location under the pointer` }, title, lines),
    announcer.root,
    context.sentence ? el("p", { class: "av-gamma" }, context.sentence) : null,
    weighted(position) ? el("p", { class: "av-gamma" }, gammaSentence(position.gamma, t`position attention`)) : null,
    panels.root,
    context.data.views.includes("stages") ? null : predictionList(context.data),
  );
  return {
    root,
    draw() {
      const { peak, own, beside } = query.weights(query.cell);
      const token = query.mode === "token" ? (position.class_token ? t`Class token` : t`First token that is no location`) : "";
      const name = token ? "" : query.className(query.cell);
      title.textContent = token || name || t`Location`;
      const texts = [token ? "" : query.where(query.cell, placeOfQuery(context)), own ? classLine(query.mode, own, name) : "", peakLine(query.mode, peak, query.count), besideLine(beside)];
      lines.forEach((line, i) => {
        line.textContent = texts[i];
      });
      announcer.say([name, ...texts].filter(Boolean).map((text) => text.replace(/[.。]$/, "")).join(t`. `));
      panels.draw();
    },
  };
}

/** Whether a weight of its own is known to stand before an attention; 1 to the last digit stands for none. */
function weighted({ kind, gamma }) {
  return kind !== "rollout" && gamma !== 1;
}
