// Position attention under the pointer: where a location looks, and who looks at it, live.

import { createAppearance } from "./appearance.js";
import { button, segmented, toggle } from "./controls.js";
import { photoPixel } from "./data.js";
import { el, oncePerFrame } from "./dom.js";
import { paintMap } from "./draw.js";
import { percent } from "./format.js";
import { cellAt, createBar, createPicture, placeBox } from "./picture.js";
import { createPins, inkOn } from "./pins.js";
import { classLine, createAnnouncer, ownClass, peakLine, whereLine } from "./readout.js";
import { extent } from "./scale.js";
import { gammaSentence } from "./wording.js";

const SCALINGS = [
  { value: "each", label: "Each", title: "From 0 to the largest weight of each picture" },
  { value: "shared", label: "Shared", title: "From 0 to the largest weight among all pins: brightness can be compared" },
];
const MODES = [
  { value: "row", label: "Where it looks", title: "The row of the attention matrix: where this pixel looks" },
  { value: "column", label: "Who looks at it", title: "The column of the attention matrix: who looks at this pixel" },
  { value: "received", label: "Received", title: "Mean over all rows: what gets attention at all" },
];
const STEP = 1;
const LEAP = 8;
const HELP = "Arrow keys move the query, with Shift by eight. Enter pins it. Delete removes the pin under it.";

/** The view; returns its root. */
export function positionView(context) {
  const model = createModel(context);
  const stage = createStage(context, model);
  const side = createSide(context, model);
  const draw = () => {
    stage.draw();
    side.draw();
  };
  model.onChange = oncePerFrame(draw, context.signal);
  context.settings.subscribe((name) => ["palette", "scaling"].includes(name) && model.onChange(), context.signal);
  draw();
  return el(
    "div",
    { class: "av-view av-view--position" },
    createAppearance(context, SCALINGS),
    el("div", { class: "av-toolbar" }, modeChoice(context, model), classToggle(context, stage)),
    el("div", { class: "av-split" }, stage.root, side.root),
  );
}

/** What is looked at: the query under the pointer, the pins, row or column; and their weights. */
function createModel({ data, options }) {
  const { position, segmentation } = data;
  const received = data.maps.get(position.received);
  const pins = createPins();
  for (const [row, column] of options.pins || []) pins.add(row * position.grid[1] + column);
  const middle = Math.floor(position.grid[0] / 2) * position.grid[1] + Math.floor(position.grid[1] / 2);
  const model = {
    grid: position.grid,
    pins,
    mode: "row",
    query: pins.list().length ? pins.list()[0].cell : middle,
    onChange: () => {},
    /** Weights of a location in the present mode: {values, peak, own: {share, area} or null}. */
    weights(cell, values = new Float32Array(position.count)) {
      let peak;
      if (model.mode === "received") {
        values.set(received.values);
        peak = extent(values).high;
      } else {
        peak = position[model.mode](cell, values);
      }
      const own = segmentation && model.mode !== "received" ? ownClass(values, segmentation.cells, cell) : null;
      return { values, peak, own };
    },
    className: (cell) => (segmentation ? segmentation.categories[segmentation.cells[cell]].name : ""),
    where: (cell) => whereLine(photoPixel(data.geometry, position.grid, cell), position.grid, cell),
  };
  return model;
}

/** Upper end of the colours: of each picture, or of all that are shown. */
function topOf(peak, model, settings) {
  if (settings.get("scaling") !== "shared" || model.mode === "received") return peak;
  return Math.max(peak, ...model.pins.list().map((pin) => model.weights(pin.cell).peak));
}

function modeChoice({ signal }, model) {
  return segmented({
    label: "Show",
    options: MODES,
    value: model.mode,
    onChange: (value) => {
      model.mode = value;
      model.onChange();
    },
    signal,
  }).root;
}

function classToggle({ data, signal }, stage) {
  if (!data.segmentation) return null;
  return toggle({ label: "Predicted classes", value: false, onChange: stage.showClasses, signal }).root;
}

/** The photo with the live attention: pointer, keys and pins. */
function createStage(context, model) {
  const { data, settings, palettes, signal } = context;
  const picture = createPicture(data.photo, "");
  const canvas = picture.layer();
  const bar = createBar();
  const cursor = el("span", { class: "av-cursor", "aria-hidden": "true" });
  const marks = el("span", { class: "av-marks", "aria-hidden": "true" });
  const classes = data.segmentation ? createClasses(data) : null;
  if (classes) picture.root.append(classes.overlay);
  const help = el("p", { class: "av-help", id: `${context.id}-help` }, HELP);
  const buffer = new Float32Array(model.grid[0] * model.grid[1]);
  const node = picture.root;
  node.append(cursor, marks);
  node.classList.add("av-picture--large", "av-picture--live");
  const roles = { role: "application", tabindex: "0", "aria-label": "Photo: choose a location to see its attention", "aria-describedby": help.id };
  for (const [name, value] of Object.entries(roles)) node.setAttribute(name, value);
  listen(node, model, signal);
  return {
    root: el("div", { class: "av-split__main" }, el("div", { class: "av-stagebox" }, node), bar.root, classes ? classes.legend : null, help),
    showClasses: (on) => classes.show(on),
    draw() {
      const { values, peak } = model.weights(model.query, buffer);
      const scale = { low: 0, high: topOf(peak, model, settings) };
      const table = palettes.get(settings.get("palette")).table;
      paintMap(canvas, values, model.grid, scale, table);
      bar.paint(scale, table, "", percent);
      placeBox(cursor, model.grid, model.query);
      marks.replaceChildren(...model.pins.list().map((pin) => mark(pin, model.grid)));
    },
  };
}

function mark(pin, grid) {
  const label = badge(pin);
  const box = el("span", { class: "av-mark" }, label);
  placeBox(box, grid, pin.cell);
  return box;
}

function badge(pin) {
  const node = el("span", { class: "av-badge" }, `#${pin.number}`);
  node.style.background = pin.colour;
  node.style.color = inkOn(pin.colour);
  return node;
}

/** Pointer and keys on the photo. */
function listen(node, model, signal) {
  const move = (event) => {
    const cell = cellAt(event, node, model.grid);
    if (cell < 0 || cell === model.query) return;
    model.query = cell;
    model.onChange();
  };
  node.addEventListener("pointermove", move, { signal });
  node.addEventListener("pointerdown", move, { signal });
  node.addEventListener("click", (event) => {
    const cell = cellAt(event, node, model.grid);
    if (cell >= 0) pinAt(model, cell);
  }, { signal });
  node.addEventListener("keydown", (event) => {
    if (onKey(event, model)) event.preventDefault();
  }, { signal });
}

function onKey(event, model) {
  const [rows, columns] = model.grid;
  const far = event.shiftKey ? LEAP : STEP;
  const step = { ArrowLeft: [0, -far], ArrowRight: [0, far], ArrowUp: [-far, 0], ArrowDown: [far, 0] }[event.key];
  if (step) {
    const clamp = (v, most) => Math.min(Math.max(v, 0), most - 1);
    const row = clamp(Math.floor(model.query / columns) + step[0], rows);
    model.query = row * columns + clamp((model.query % columns) + step[1], columns);
    model.onChange();
    return true;
  }
  if (event.key === "Enter" || event.key === " ") {
    pinAt(model, model.query);
    return true;
  }
  if (event.key === "Delete" || event.key === "Backspace") {
    model.pins.remove(model.query);
    model.onChange();
    return true;
  }
  return false;
}

function pinAt(model, cell) {
  model.query = cell;
  model.full = model.pins.add(cell) === null;
  model.onChange();
}

/** The predicted classes as an overlay, with their legend. */
function createClasses({ segmentation }) {
  const overlay = el("img", { class: "av-classes", src: segmentation.heads.fused, alt: "", hidden: true, draggable: "false" });
  const present = Object.entries(segmentation.shares);
  const colours = new Map(segmentation.categories.map((c) => [c.name, c.colour]));
  const legend = el(
    "ul",
    { class: "av-classlist", hidden: true, "aria-label": "Predicted classes and their share of the picture" },
    present.map(([name, share]) => {
      const swatch = el("span", { class: "av-swatch", "aria-hidden": "true" });
      swatch.style.background = colours.get(name);
      return el("li", {}, swatch, `${name} ${percent(share)}`);
    }),
  );
  return {
    overlay,
    legend,
    show(on) {
      overlay.hidden = !on;
      legend.hidden = !on;
    },
  };
}

/** Beside the photo: the readout, gamma, and a picture per pin. */
function createSide(context, model) {
  const { data, signal } = context;
  const title = el("p", { class: "av-readout__class" });
  const lines = [0, 1, 2].map(() => el("p", { class: "av-readout__line" }));
  const announcer = createAnnouncer(signal);
  const panels = createPinPanels(context, model);
  const root = el(
    "div",
    { class: "av-split__side" },
    el("section", { class: "av-readout", "aria-label": "The location under the pointer" }, title, lines),
    announcer.root,
    el("p", { class: "av-gamma" }, gammaSentence(data.position.gamma, "position attention")),
    panels.root,
  );
  return {
    root,
    draw() {
      const { peak, own } = model.weights(model.query);
      const name = model.className(model.query);
      title.textContent = name || "Location";
      const texts = [model.where(model.query), own ? classLine(model.mode, own, name) : "", peakLine(model.mode, peak, data.position.count)];
      lines.forEach((line, i) => {
        line.textContent = texts[i];
      });
      announcer.say([name, ...texts].filter(Boolean).join(". "));
      panels.draw();
    },
  };
}

function createPinPanels(context, model) {
  const { data, settings, palettes, signal } = context;
  const list = el("div", { class: "av-pins" });
  const hint = el("p", { class: "av-empty" });
  const clear = button({ label: "Remove all pins", onClick: () => { model.pins.clear(); model.onChange(); }, signal, kind: "av-button--quiet" });
  const made = new Map();
  function panelOf(pin) {
    const key = `${pin.cell}:${pin.slot}`;
    if (!made.has(key)) made.set(key, pinPanel(context, model, pin));
    return made.get(key);
  }
  return {
    root: el("section", { class: "av-pinbox", "aria-label": "Pinned locations" }, hint, list, clear),
    draw() {
      const pins = model.pins.list();
      const panels = pins.map(panelOf);
      for (const key of [...made.keys()]) if (!panels.includes(made.get(key))) made.delete(key);
      if (panels.length !== list.children.length || panels.some((p, i) => list.children[i] !== p.root)) list.replaceChildren(...panels.map((p) => p.root));
      hint.textContent = pins.length ? (model.full ? "Six pins at most: remove one to place another." : "") : "Click the photo to pin a location and keep its attention here, next to others.";
      hint.hidden = !hint.textContent;
      clear.hidden = pins.length < 2;
      const table = palettes.get(settings.get("palette")).table;
      panels.forEach((panel, i) => panel.draw(pins[i], table));
    },
    data,
  };
}

function pinPanel({ data, settings, signal }, model, pin) {
  const picture = createPicture(data.photo, `Attention of pin ${pin.number}`);
  const canvas = picture.layer();
  picture.root.append(mark(pin, model.grid));
  const text = el("span", { class: "av-pin__text" });
  const note = el("p", { class: "av-panel__note" });
  const remove = button({ label: "×", name: `Remove pin ${pin.number}`, onClick: () => { model.pins.remove(pin.cell); model.full = false; model.onChange(); }, signal, kind: "av-button--icon" });
  const root = el("article", { class: "av-pin" }, el("header", { class: "av-pin__header" }, badge(pin), text, remove), picture.root, note);
  root.style.setProperty("--av-pin", pin.colour);
  return {
    root,
    draw(_, table) {
      const { values, peak, own } = model.weights(pin.cell);
      const high = topOf(peak, model, settings);
      paintMap(canvas, values, model.grid, { low: 0, high }, table);
      const name = model.className(pin.cell);
      text.textContent = name || `row ${Math.floor(pin.cell / model.grid[1])}, column ${pin.cell % model.grid[1]}`;
      note.textContent = `Colours 0 to ${percent(high)}${own ? ` · own class ${percent(own.share)} (${percent(own.area)} of the picture)` : ""}`;
    },
  };
}
