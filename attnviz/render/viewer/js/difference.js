// The difference of two maps, where there is one.

import { isGain } from "./format.js";
import { t } from "./language.js";
import { extent, valueAt } from "./scale.js";

/** Why two maps have no difference, in a sentence; empty when they have one. */
export function whyNot(a, b) {
  if (a.quantity !== b.quantity || a.unit !== b.unit) {
    return t`A shows ${a.quantityName}, B shows ${b.quantityName}: a difference needs the same quantity on both sides.`;
  }
  if (!sameShape(a.aspect, b.aspect)) return t`The two photos have different shapes, so places on them do not correspond.`;
  return "";
}

/** Whether two width-to-height ratios are the same within two percent. */
export function sameShape(one, other) {
  return Math.abs(Math.log(one / other)) < 0.02;
}

/** The unit of a difference: that of the two, but a difference of gains is a plain number. */
export function differenceUnit(unit) {
  return isGain(unit) ? "" : unit;
}

/** b - a on the finer of the two grids, and in its place; a coarser map's cells are repeated, nothing is interpolated. */
export function difference(a, b) {
  const rows = Math.max(a.grid[0], b.grid[0]);
  const columns = Math.max(a.grid[1], b.grid[1]);
  const values = new Float32Array(rows * columns);
  const [from, to] = [a, b].map(({ values: own, grid }) => ({ values: own, grid })); // as tiles: cell is taken from cell
  const finer = b.grid[0] * b.grid[1] === rows * columns ? b : a;
  for (let row = 0, i = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1, i += 1) {
      const u = (column + 0.5) / columns;
      const v = (row + 0.5) / rows;
      values[i] = valueAt(to, u, v) - valueAt(from, u, v);
    }
  }
  return { values, grid: [rows, columns], extent: extent(values), unit: differenceUnit(b.unit), place: finer.place || null };
}
