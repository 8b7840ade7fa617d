// The numbers of a map: their range, what the ends of a colour bar stand for, the value at a point.

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

/** A range that is symmetric around zero, for signed differences. */
export function symmetric({ low, high }) {
  const most = Math.max(Math.abs(low), Math.abs(high));
  return { low: -most, high: most };
}

/** Value of a map at a point of the unit square, that of the cell it lies in. */
export function valueAt({ values, grid: [rows, columns] }, u, v) {
  const row = Math.min(Math.max(Math.floor(v * rows), 0), rows - 1);
  const column = Math.min(Math.max(Math.floor(u * columns), 0), columns - 1);
  return values[row * columns + column];
}
