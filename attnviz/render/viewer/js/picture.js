// A photo with maps over it. The photo is never dimmed; maps are canvases of one pixel per location.

import { gradient } from "./color.js";
import { el } from "./dom.js";
import { paintMap } from "./draw.js";
import { isGain, number, withUnit, writerFor } from "./format.js";
import { createCross } from "./probe.js";
import { placeOn, valueAt } from "./scale.js";
import { barSentence } from "./wording.js";

/** A photo to put layers on. */
export function createPicture(photo, alt) {
  const image = el("img", { class: "av-photo", src: photo.url, alt, draggable: "false", width: photo.width, height: photo.height });
  const root = el("div", { class: "av-picture" }, image);
  root.style.aspectRatio = `${photo.width} / ${photo.height}`;
  root.style.setProperty("--av-aspect", String(photo.width / photo.height));
  return {
    root,
    image,
    /** A canvas over the photo, for `paintMap`. */
    layer() {
      const canvas = el("canvas", { class: "av-layer", "aria-hidden": "true", width: 1, height: 1 });
      root.append(canvas);
      return canvas;
    },
  };
}

/** A box around one location. */
export function placeBox(node, grid, cell) {
  const [rows, columns] = grid;
  const row = Math.floor(cell / columns);
  node.style.left = `${(100 * (cell % columns)) / columns}%`;
  node.style.top = `${(100 * row) / rows}%`;
  node.style.width = `${100 / columns}%`;
  node.style.height = `${100 / rows}%`;
}

/** The location under a pointer event, or -1 outside the picture. */
export function cellAt(event, node, grid) {
  const box = node.getBoundingClientRect();
  const column = Math.floor(((event.clientX - box.left) / box.width) * grid[1]);
  const row = Math.floor(((event.clientY - box.top) / box.height) * grid[0]);
  return row >= 0 && row < grid[0] && column >= 0 && column < grid[1] ? row * grid[1] + column : -1;
}

/** A colour bar with what its ends stand for. */
export function createBar() {
  const low = el("span", { class: "av-bar__end" });
  const high = el("span", { class: "av-bar__end" });
  const tick = el("span", { class: "av-bar__tick", hidden: true });
  const strip = el("span", { class: "av-bar__strip", "aria-hidden": "true" }, tick);
  const key = el("span", { class: "av-bar__key", hidden: true });
  const root = el("div", { class: "av-bar" }, low, strip, high, key);
  return {
    root,
    /** Marks a value on the bar; null takes the mark away. */
    mark(value, scale) {
      tick.hidden = value === null || !(scale.high > scale.low);
      if (!tick.hidden) tick.style.left = `${100 * placeOn(scale, value)}%`;
    },
    /** `write` puts an end's number in words; by default both ends get as many decimals as tell them apart. */
    paint(scale, table, unit, write = null) {
      const digits = scale.log ? number : writerFor(scale.low, scale.high);
      const words = write || ((value) => withUnit(value, isGain(unit) || unit === "share" ? unit : "", digits));
      low.textContent = (scale.below ? "≤ " : "") + words(scale.low);
      high.textContent = (scale.above ? "≥ " : "") + words(scale.high);
      strip.style.background = gradient(table, scale.low, scale.high, scale.fades);
      key.textContent = scale.log ? "log" : "";
      key.hidden = !scale.log;
      root.title = barSentence(scale);
    },
  };
}

/** A titled picture with its map, colour bar and raw range. */
export function createPanel({ title, photo, alt, withMap = true }) {
  const picture = createPicture(photo, alt);
  const heading = el("span", { class: "av-panel__title" }, title);
  const here = el("span", { class: "av-panel__value" });
  const cross = createCross();
  const note = el("span", { class: "av-panel__note" });
  const bar = withMap ? createBar() : null;
  const root = el(
    "figure",
    { class: "av-panel" },
    el("figcaption", { class: "av-panel__caption" }, heading, here),
    picture.root,
    bar ? bar.root : null,
    note,
  );
  const canvas = withMap ? picture.layer() : null;
  let drawn = null;
  picture.root.append(cross.root);
  return {
    root,
    picture,
    heading,
    note,
    paint({ values, grid, unit, text }, scale, table) {
      paintMap(canvas, values, grid, scale, table);
      bar.paint(scale, table, unit);
      note.textContent = text;
      drawn = { values, grid, unit, scale };
    },
    /** Says the value at a point of the unit square; null says none. */
    show(point) {
      cross.place(point);
      if (!drawn) return;
      const value = point ? valueAt(drawn, ...point) : null;
      bar.mark(value, drawn.scale);
      here.textContent = value === null ? "" : withUnit(value, isGain(drawn.unit) ? drawn.unit : "");
    },
  };
}
