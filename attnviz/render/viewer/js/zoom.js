// Looking closer: one window [left, left + 1/scale] x [top, top + 1/scale] of the unit square, shared by linked pictures.

import { button } from "./controls.js";
import { el } from "./dom.js";
import { t } from "./language.js";

const MOST = 16;
const FACTOR = 1.5;
const CLICK = 4; // pixels a pointer may move between down and up and still have clicked

export const WHOLE = Object.freeze({ scale: 1, left: 0, top: 0 });

/** A window kept inside the picture. */
export function clamped({ scale, left, top }) {
  const s = Math.min(Math.max(scale, 1), MOST);
  const most = 1 - 1 / s;
  return { scale: s, left: Math.min(Math.max(left, 0), most), top: Math.min(Math.max(top, 0), most) };
}

/** The window after zooming by `factor`, with the point (u, v) staying where it is on the screen. */
export function zoomedAt(view, factor, u, v) {
  const scale = Math.min(Math.max(view.scale * factor, 1), MOST);
  const keep = view.scale / scale;
  return clamped({ scale, left: u - (u - view.left) * keep, top: v - (v - view.top) * keep });
}

/** The window moved as little as needed to hold the point (u, v). */
export function revealing(view, u, v) {
  const size = 1 / view.scale;
  const move = (start, at) => (at < start ? at - size * 0.1 : at > start + size ? at - size * 0.9 : start);
  return clamped({ ...view, left: move(view.left, u), top: move(view.top, v) });
}

/** A zoom shared by every picture it is given: `controls` to show, `frame(content)` around what is enlarged. */
export class Zoom {
  #view = WHOLE;
  #focus = [0.5, 0.5]; // where zooming in from the whole goes
  #frames = []; // [{root, content}]
  #signal;

  constructor(signal) {
    this.#signal = signal;
    const make = (label, name, onClick, kind) => button({ label, name, onClick, signal, kind });
    this.closer = make("+", t`Zoom in`, () => this.#by(FACTOR), "av-button--icon");
    this.out = make("−", t`Zoom out`, () => this.#by(1 / FACTOR), "av-button--icon");
    this.whole = make(t`Whole`, t`Show the whole picture`, () => this.#set(WHOLE));
    this.level = el("span", { class: "av-zoom__level", "aria-live": "polite" });
    const parts = [this.out, this.level, this.closer, this.whole];
    this.controls = el("div", { class: "av-zoom__controls", role: "group", "aria-label": t`Zoom` }, parts);
    this.#set(WHOLE);
  }

  /** Whether dragging moves the picture rather than the pointer in it. */
  get enlarged() {
    return this.#view.scale > 1;
  }

  #set(view) {
    this.#view = view;
    const transform = `scale(${view.scale}) translate(${-100 * view.left}%, ${-100 * view.top}%)`;
    for (const { root, content } of this.#frames) {
      content.style.transform = transform;
      root.style.touchAction = this.enlarged ? "none" : ""; // a finger then moves the picture, not the page
    }
    this.out.disabled = view.scale === 1;
    this.whole.disabled = view.scale === 1;
    this.closer.disabled = view.scale === MOST;
    this.level.textContent = `${Number(view.scale.toFixed(1))}×`;
  }

  #by(factor, at = null) {
    const { scale, left, top } = this.#view;
    const point = at || (scale === 1 ? this.#focus : [left + 0.5 / scale, top + 0.5 / scale]);
    this.#set(zoomedAt(this.#view, factor, ...point));
  }

  /** Wraps what is enlarged; the wheel with Ctrl zooms at the pointer, dragging moves what is enlarged. */
  frame(content) {
    content.classList.add("av-zoom__content");
    const root = el("div", { class: "av-zoom" }, content);
    this.#frames.push({ root, content });
    root.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const box = content.getBoundingClientRect();
      const at = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
      this.#by(event.deltaY < 0 ? FACTOR : 1 / FACTOR, at);
    }, { signal: this.#signal, passive: false });
    this.#dragToPan(root, content);
    this.#set(this.#view);
    return root;
  }

  #dragToPan(root, content) {
    let from = null;
    let dragged = false;
    const listen = (name, handler, more) => root.addEventListener(name, handler, { signal: this.#signal, ...more });
    listen("pointerdown", (event) => {
      dragged = false;
      if (this.enlarged) from = { x: event.clientX, y: event.clientY, view: this.#view };
    });
    listen("pointermove", (event) => {
      if (!from || event.buttons === 0) return;
      dragged = dragged || Math.hypot(event.clientX - from.x, event.clientY - from.y) > CLICK;
      const box = content.getBoundingClientRect();
      const left = from.view.left - (event.clientX - from.x) / box.width;
      const top = from.view.top - (event.clientY - from.y) / box.height;
      this.#set(clamped({ scale: this.#view.scale, left, top }));
    });
    listen("click", (event) => dragged && event.stopPropagation(), { capture: true }); // a drag chooses nothing
    for (const end of ["pointerup", "pointercancel", "pointerleave"]) listen(end, () => { from = null; });
  }

  /** "+", "-" and "0"; true when the key was one of them. */
  onKey(key) {
    if (key === "+" || key === "=") this.#by(FACTOR);
    else if (key === "-") this.#by(1 / FACTOR);
    else if (key === "0") this.#set(WHOLE);
    else return false;
    return true;
  }

  /** Keeps a point in sight, and zooms in on it next. */
  reveal(u, v) {
    this.#focus = [u, v];
    if (this.enlarged) this.#set(revealing(this.#view, u, v));
  }
}
