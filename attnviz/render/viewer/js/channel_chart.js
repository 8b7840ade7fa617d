// Numbers per channel as bars; one is chosen by click or arrow keys.

import { el, svg } from "./dom.js";
import { number } from "./format.js";
import { t, word } from "./language.js";

/** Channels from the highest number to the lowest. */
export function rankedChannels(values) {
  return Array.from(values, (_, i) => i).sort((a, b) => values[b] - values[a] || a - b);
}

/** The outline of all bars in a box of `values.length` x 100 that is at least `top` high, and where zero lies. */
export function barPath(sorted, top = 0) {
  const low = Math.min(0, ...sorted);
  const high = Math.max(top, ...sorted);
  const y = (v) => (high > low ? (100 * (high - v)) / (high - low) : 50);
  const zero = y(0);
  const path = sorted.map((v, i) => `M${i + 0.08} ${zero.toFixed(2)}V${y(v).toFixed(2)}H${i + 0.92}V${zero.toFixed(2)}Z`);
  return { path: path.join(""), zero, y };
}

/** Bars sorted from high to low, as one slider; `top`: what the chart reaches up to at least. */
export function createChannelChart({ values, chosen, label, unit, top = 0, onPick, signal }) {
  const order = rankedChannels(values);
  const shape = barPath(order.map((c) => values[c]), top);
  const marker = svg("rect", { class: "av-channel-chart__chosen", width: 1, y: 0, height: 100 });
  const selected = svg("path", { class: "av-channel-chart__selected" });
  const drawing = svg(
    "svg",
    { class: "av-channel-chart__drawing", viewBox: `0 0 ${order.length} 100`, preserveAspectRatio: "none", "aria-hidden": "true" },
    marker,
    svg("path", { class: "av-channel-chart__all", d: shape.path }),
    selected,
    svg("line", { class: "av-channel-chart__zero", x1: 0, x2: order.length, y1: shape.zero, y2: shape.zero, "vector-effect": "non-scaling-stroke" }),
  );
  const root = el(
    "div",
    { class: "av-channel-chart", role: "slider", tabindex: 0, "aria-label": label, "aria-valuemin": 1, "aria-valuemax": order.length },
    drawing,
  );
  let rank = 0;
  const show = (next) => {
    rank = Math.min(Math.max(next, 0), order.length - 1);
    const channel = order[rank];
    marker.setAttribute("x", String(rank));
    selected.setAttribute("d", `M${rank} ${shape.zero}V${shape.y(values[channel])}H${rank + 1}V${shape.zero}Z`);
    root.setAttribute("aria-valuenow", String(rank + 1));
    root.setAttribute("aria-valuetext", t`channel ${channel}, ${number(values[channel])} ${word(unit)}, rank ${rank + 1}`);
  };
  const pick = (next) => {
    show(next);
    onPick(order[rank]);
  };
  root.addEventListener("click", (event) => {
    const box = root.getBoundingClientRect();
    pick(Math.floor(((event.clientX - box.left) / box.width) * order.length));
  }, { signal });
  root.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, PageDown: 10, PageUp: -10 }[event.key];
    const end = { Home: 0, End: order.length - 1 }[event.key];
    if (step === undefined && end === undefined) return;
    event.preventDefault();
    pick(end === undefined ? rank + step : end);
  }, { signal });
  show(order.indexOf(chosen));
  return { root, order };
}
