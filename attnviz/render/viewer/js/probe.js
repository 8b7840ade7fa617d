// One pointer for many pictures of the same photo: wherever it is, every picture says its value there.

import { el, oncePerFrame } from "./dom.js";

const STEP = 0.02;

/** Moves a point of the unit square by a key; null when the key is none of the arrows. */
export function steppedPoint(point, key, far) {
  const by = far ? 5 * STEP : STEP;
  const step = { ArrowLeft: [-by, 0], ArrowRight: [by, 0], ArrowUp: [0, -by], ArrowDown: [0, by] }[key];
  if (!step) return null;
  return point.map((value, i) => Math.min(Math.max(value + step[i], 0), 1 - 1e-9));
}

/**
 * A linked pointer.
 *
 * `show(point)` of every target is called with [u, v] in the unit square, or with null when the pointer has left.
 */
export function createProbe({ signal, onMove }) {
  const targets = [];
  let point = null;
  const draw = oncePerFrame(() => {
    for (const target of targets) target.show(point);
    onMove(point);
  }, signal);
  const moveTo = (next) => {
    point = next;
    draw();
  };

  /** Follows the pointer over a picture. */
  function follow(node) {
    const look = (event) => {
      const box = node.getBoundingClientRect();
      moveTo([(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]);
    };
    node.addEventListener("pointermove", look, { signal });
    node.addEventListener("pointerdown", look, { signal });
    // A finger leaves when it is lifted; what it pointed at stays, to be read.
    node.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && moveTo(null), { signal });
  }

  /** Lets the arrow keys move the pointer while a picture has the focus. */
  function steer(node, label) {
    node.tabIndex = 0;
    node.setAttribute("role", "application");
    node.setAttribute("aria-label", label);
    node.addEventListener("keydown", (event) => {
      const next = steppedPoint(point || [0.5, 0.5], event.key, event.shiftKey);
      if (!next || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      moveTo(next);
    }, { signal });
    node.addEventListener("blur", () => moveTo(null), { signal });
  }

  return { follow, steer, add: (target) => targets.push(target), again: () => point && draw() };
}

/** A ring that marks a point of a picture. */
export function createCross() {
  const root = el("span", { class: "av-cross", "aria-hidden": "true", hidden: true });
  return {
    root,
    place(point) {
      root.hidden = !point || point.some((x) => x < 0 || x > 1);
      if (root.hidden) return;
      root.style.left = `${100 * point[0]}%`;
      root.style.top = `${100 * point[1]}%`;
    },
  };
}
