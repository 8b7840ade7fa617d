// Looking closer: one window [left, left + 1/scale] x [top, top + 1/scale] of the unit square, shared by linked pictures.

import { button } from "./controls.js";
import { el } from "./dom.js";

const MOST = 16;
const FACTOR = 1.5;

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

/** A zoom shared by every picture it is given; `frame(content)` wraps what is enlarged. */
export function createZoom({ signal }) {
  let view = WHOLE;
  let middle = [0.5, 0.5];
  const contents = [];
  const apply = () => {
    for (const node of contents) {
      node.style.transform = `scale(${view.scale}) translate(${-100 * view.left}%, ${-100 * view.top}%)`;
    }
    out.disabled = view.scale === 1;
    reset.disabled = view.scale === 1;
    closer.disabled = view.scale === MOST;
    level.textContent = `${Number(view.scale.toFixed(1))}×`;
  };
  const set = (next) => {
    view = next;
    apply();
  };
  const centre = () => [view.left + 0.5 / view.scale, view.top + 0.5 / view.scale];
  const by = (factor, at = view.scale === 1 ? middle : centre()) => set(zoomedAt(view, factor, ...at));
  const closer = button({ label: "+", name: "Zoom in", onClick: () => by(FACTOR), signal, kind: "av-button--icon" });
  const out = button({ label: "−", name: "Zoom out", onClick: () => by(1 / FACTOR), signal, kind: "av-button--icon" });
  const reset = button({ label: "Whole", name: "Show the whole picture", onClick: () => set(WHOLE), signal });
  const level = el("span", { class: "av-zoom__level", "aria-live": "polite" });
  const controls = el("div", { class: "av-zoom__controls", role: "group", "aria-label": "Zoom" }, out, level, closer, reset);

  function frame(content) {
    content.classList.add("av-zoom__content");
    contents.push(content);
    const root = el("div", { class: "av-zoom" }, content);
    root.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const box = content.getBoundingClientRect();
      by(event.deltaY < 0 ? FACTOR : 1 / FACTOR, [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]);
    }, { signal, passive: false });
    dragToPan(root, content);
    apply();
    return root;
  }

  function dragToPan(root, content) {
    let from = null;
    root.addEventListener("pointerdown", (event) => {
      if (view.scale > 1) from = { x: event.clientX, y: event.clientY, view };
    }, { signal });
    root.addEventListener("pointermove", (event) => {
      if (!from || event.buttons === 0) return;
      const box = content.getBoundingClientRect();
      const left = from.view.left - (event.clientX - from.x) / box.width;
      const top = from.view.top - (event.clientY - from.y) / box.height;
      set(clamped({ scale: view.scale, left, top }));
    }, { signal });
    for (const end of ["pointerup", "pointercancel", "pointerleave"]) {
      root.addEventListener(end, () => { from = null; }, { signal });
    }
  }

  apply();
  return {
    controls,
    frame,
    /** "+", "-" and "0"; true when the key was one of them. */
    onKey(key) {
      if (key === "+" || key === "=") by(FACTOR);
      else if (key === "-") by(1 / FACTOR);
      else if (key === "0") set(WHOLE);
      else return false;
      return true;
    },
    /** Keeps a point in sight, and zooms in on it next. */
    reveal(u, v) {
      middle = [u, v];
      if (view.scale > 1) set(revealing(view, u, v));
    },
  };
}
