// What the two ends of a colour bar stand for.

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
