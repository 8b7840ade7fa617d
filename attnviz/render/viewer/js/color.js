// From numbers to colours: the same rule as the server's, value v in [0, 1] has colour min(floor(256 v), 255).
// A map of one value throughout has the middle colour: it is neither low nor high.

import { bytes } from "./decode.js";
import { placeOn } from "./scale.js";

/** The payload's list of colour maps -> Map of name -> {name, kind, perceptual, note, table}. */
export function readColormaps(list) {
  return new Map(list.map((entry) => [entry.name, { ...entry, table: bytes(entry.table) }]));
}

const MIDDLE = 128;
const CHECKERBOARD = "repeating-conic-gradient(#bebebe 0 25%, #ffffff 0 50%) 0 0 / 10px 10px";

/** Writes the colours of `values` into RGBA pixels; with `fades`, the opacity follows the value, from none at the low end. */
export function colorize(values, low, high, table, rgba, { log = false, fades = false } = {}) {
  if (log || fades) {
    colorizeBy((value) => placeOn({ low, high, log }, value), values, table, rgba, fades);
    return;
  }
  const scale = high > low ? 256 / (high - low) : 0;
  for (let i = 0, p = 0; i < values.length; i += 1, p += 4) {
    let index = scale === 0 ? MIDDLE : Math.floor((values[i] - low) * scale);
    if (index < 0) index = 0;
    else if (index > 255) index = 255;
    const t = 3 * index;
    rgba[p] = table[t];
    rgba[p + 1] = table[t + 1];
    rgba[p + 2] = table[t + 2];
    rgba[p + 3] = 255;
  }
}

function colorizeBy(place, values, table, rgba, fades) {
  for (let i = 0, p = 0; i < values.length; i += 1, p += 4) {
    const at = place(values[i]);
    const t = 3 * Math.min(Math.floor(256 * at), 255);
    rgba[p] = table[t];
    rgba[p + 1] = table[t + 1];
    rgba[p + 2] = table[t + 2];
    rgba[p + 3] = fades ? Math.round(255 * at) : 255;
  }
}

/** CSS gradient through the colours between low and high, low at the left; with `fades`, over a checkerboard. */
export function gradient(table, low, high, fades = false) {
  const alpha = (i) => (fades ? `,${(i / 255).toFixed(3)}` : "");
  const color = (i) => `rgb(${table[3 * i]},${table[3 * i + 1]},${table[3 * i + 2]}${alpha(i)})`;
  const stops = [];
  for (let i = 0; i < 256; i += 15) stops.push(`${color(high > low ? i : MIDDLE)} ${((100 * i) / 255).toFixed(1)}%`);
  const colors = `linear-gradient(to right, ${stops.join(", ")})`;
  return fades ? `${colors}, ${CHECKERBOARD}` : colors;
}
