// A photo with maps over it. The photo is never dimmed; maps are canvases of one pixel per location.

import { cellIndex, cellSpan } from "./cells.js";
import { gradient } from "./color.js";
import { el } from "./dom.js";
import { paintMap } from "./draw.js";
import { isGain, number, withUnit, writerFor } from "./format.js";
import { t } from "./language.js";
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

/** A box around one location; `place` as in cells.js. */
export function placeBox(node, grid, cell, place = null) {
  const [top, bottom] = cellSpan(Math.floor(cell / grid[1]), grid[0], 0, place);
  const [left, right] = cellSpan(cell % grid[1], grid[1], 1, place);
  node.style.left = `${100 * left}%`;
  node.style.top = `${100 * top}%`;
  node.style.width = `${100 * (right - left)}%`;
  node.style.height = `${100 * (bottom - top)}%`;
}

/** The location under a pointer event, or -1 outside the picture; `place` as in cells.js. */
export function cellAt(event, node, grid, place = null) {
  const box = node.getBoundingClientRect();
  const across = (event.clientX - box.left) / box.width;
  const down = (event.clientY - box.top) / box.height;
  if (!(across >= 0 && across < 1 && down >= 0 && down < 1)) return -1;
  return cellIndex(down, grid[0], 0, place) * grid[1] + cellIndex(across, grid[1], 1, place);
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
      key.textContent = scale.log ? t`log` : "";
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
    paint({ values, grid, unit, text, place }, scale, table) {
      paintMap(canvas, values, grid, scale, table, place);
      bar.paint(scale, table, unit);
      note.textContent = text;
      drawn = { values, grid, unit, scale, place };
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
