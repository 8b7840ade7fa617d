// The numbers of a map: their range, what the ends of a colour bar stand for, the value at a point.

import { cellIndex } from "./cells.js";

/** Smallest and largest number. */
export function extent(values) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return { low, high };
}

/** The extent of several extents. */
export function union(extents) {
  return { low: Math.min(...extents.map((e) => e.low)), high: Math.max(...extents.map((e) => e.high)) };
}

/**
 * The scale of one picture among its peers (the same quantity elsewhere).
 *
 * mode: "each": its own range; "shared": one range for all; "full": all the values the quantity can take by definition,
 * or "shared" where that is unbounded.
 */
export function scaleFor(own, peers, bounds, mode) {
  if (mode === "full" && bounds && bounds[0] !== null && bounds[1] !== null) return { low: bounds[0], high: bounds[1] };
  return mode === "each" ? { ...own } : union(peers);
}

const DECADES = 3; // powers of ten of a logarithmic scale: what is smaller has the colour of its low end
const OUTER = 0.01; // share of the locations that percentiles leave out at either end

/** First and 99th percentile, as NumPy's; the extent where those are one. */
export function innerExtent(values) {
  const sorted = Float64Array.from(values).sort();
  const at = (share) => {
    const place = share * (sorted.length - 1);
    const before = Math.floor(place);
    const after = Math.min(before + 1, sorted.length - 1);
    return sorted[before] + (place - before) * (sorted[after] - sorted[before]);
  };
  const inner = { low: at(OUTER), high: at(1 - OUTER) };
  return inner.low < inner.high ? inner : { low: sorted[0], high: sorted[sorted.length - 1] };
}

/**
 * A range with all that colours need: {low, high, log, fades, below, above}.
 *
 * @param raw Range of the values: what lies beyond the scale is told by `below` and `above`.
 * @param look {spread, opacityBy}. A quantity with values below zero has no logarithms: it stays linear.
 */
export function spreadOver({ low, high }, raw, { spread, opacityBy }) {
  const log = spread === "log" && low >= 0 && high > 0 && low < high;
  const floor = log ? Math.max(low, high / 10 ** DECADES) : low;
  return { low: floor, high, log, fades: opacityBy === "value", below: raw.low < floor, above: raw.high > high };
}

/** Where a value stands on a scale, from 0 to 1; in the middle of one that has no extent. */
export function placeOn({ low, high, log = false }, value) {
  if (!(high > low)) return 0.5;
  const place = log ? Math.log(Math.max(value, low) / low) / Math.log(high / low) : (value - low) / (high - low);
  return Math.min(Math.max(place, 0), 1);
}

/** A range that is symmetric around zero, for signed differences. */
export function symmetric({ low, high }) {
  const most = Math.max(Math.abs(low), Math.abs(high));
  return { low: -most, high: most };
}

/** Value of a map at a point of the unit square, that of the cell it lies in. */
export function valueAt({ values, grid: [rows, columns], place = null }, u, v) {
  return values[cellIndex(v, rows, 0, place) * columns + cellIndex(u, columns, 1, place)];
}
