// What the position view looks at: the query under the pointer, the pins, row or column, and their weights.

import { photoPixel } from "./data.js";
import { createPins } from "./pins.js";
import { ownClass, whereLine } from "./readout.js";
import { extent } from "./scale.js";

const LEAP = 8;

/**
 * The state of a position view; nothing here touches the page.
 *
 * Weights are computed when first asked for and kept for the pins, so that moving the pointer costs one row.
 *
 * @param data As from `readPayload`.
 * @param start [[row, column], ...] pinned at the start.
 */
export function createQuery(data, start = []) {
  const { position, segmentation, geometry } = data;
  const [rows, columns] = position.grid;
  const pins = createPins();
  for (const [row, column] of start) if (row >= 0 && row < rows && column >= 0 && column < columns) pins.add(row * columns + column);
  const received = data.maps.get(position.received);
  const kept = new Map(); // of pins: cell -> weights in the present mode
  const buffer = new Float32Array(position.count);
  let live = null; // of the query: {cell, ...weights}, its values in the buffer
  const first = pins.list()[0];
  const query = {
    grid: position.grid,
    count: position.count,
    pins,
    mode: "row",
    cell: first ? first.cell : Math.floor(rows / 2) * columns + Math.floor(columns / 2),
    full: false, // whether the last pin found no free colour
    onChange: () => {},
    onPins: () => {},
    moveTo,
    step,
    setMode,
    pin,
    unpin,
    clear,
    weights,
    /** Upper end of the colours of one picture: its own peak, or the highest of all shown. */
    top(peak, shared) {
      return shared ? Math.max(peak, ...pins.list().map((p) => weights(p.cell).peak)) : peak;
    },
    className: (cell) => (segmentation ? segmentation.categories[segmentation.cells[cell]].name : ""),
    where: (cell) => whereLine(photoPixel(geometry, position.grid, cell), position.grid, cell),
    place: (cell) => ({ row: Math.floor(cell / columns), column: cell % columns }),
  };

  function compute(cell, values) {
    if (query.mode === "received") return { values: received.values, peak: extent(received.values).high, own: null };
    const peak = position[query.mode](cell, values);
    return { values, peak, own: segmentation ? ownClass(values, segmentation.cells, cell) : null };
  }

  /** Weights of a location in the present mode: {values, peak, own: {share, area} or null}. */
  function weights(cell) {
    if (pins.find(cell)) {
      if (!kept.has(cell)) kept.set(cell, compute(cell, new Float32Array(position.count)));
      return kept.get(cell);
    }
    if (!live || live.cell !== cell) live = { cell, ...compute(cell, buffer) };
    return live;
  }

  function moveTo(cell) {
    if (cell < 0 || cell >= position.count || cell === query.cell) return;
    query.cell = cell;
    query.onChange();
  }

  /** Moves the query by cells, eight at a time with `far`; stops at the edges. */
  function step(down, right, far) {
    const by = far ? LEAP : 1;
    const clamp = (value, most) => Math.min(Math.max(value, 0), most - 1);
    const { row, column } = query.place(query.cell);
    moveTo(clamp(row + by * down, rows) * columns + clamp(column + by * right, columns));
  }

  function setMode(mode) {
    query.mode = mode;
    kept.clear();
    live = null;
    query.onChange();
    query.onPins();
  }

  function pin(cell) {
    query.cell = cell;
    query.full = pins.add(cell) === null;
    changed();
  }

  function unpin(cell) {
    query.full = false;
    if (pins.remove(cell)) changed();
  }

  function clear() {
    pins.clear();
    query.full = false;
    changed();
  }

  function changed() {
    for (const cell of kept.keys()) if (!pins.find(cell)) kept.delete(cell);
    query.onChange();
    query.onPins();
  }

  return query;
}
