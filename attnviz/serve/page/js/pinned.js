// Pins set in the position view, told to the figure builder.

import { carried } from "./carry.js";

const SETTLED_MS = 300;

/** Calls send([[row, column], ...]) with cells of the network's grid, once the visitor has settled on them. */
export function pins(element, send) {
  let timer = 0;
  if (carried && carried.pins.length) timer = setTimeout(() => send(carried.pins), SETTLED_MS);
  document.addEventListener("attnviz-pins", (event) => {
    clearTimeout(timer);
    timer = setTimeout(() => send(event.detail.pins.map(({ row, column }) => [row, column])), SETTLED_MS);
  });
}
