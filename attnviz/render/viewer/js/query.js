// What the position view looks at: the query under the pointer, the pins, row or column, and their weights.

import { neighbour } from "./cells.js";
import { photoPixel } from "./data.js";
import { createPins } from "./pins.js";
import { ownClass, whereLine } from "./readout.js";
import { extent } from "./scale.js";

const LEAP = 8;

/** The location of another grid that a location's middle lies in, [row, column]. */
export function moved([row, column], from, to) {
  return [Math.floor(((row + 0.5) * to[0]) / from[0]), Math.floor(((column + 0.5) * to[1]) / from[1])];
}

/** The class at each location of a grid, wherever that of the classes is another. */
function classesOn(grid, { cells, grid: own }) {
  if (own[0] === grid[0] && own[1] === grid[1]) return cells;
  return Array.from({ length: grid[0] * grid[1] }, (_, i) => {
    const [row, column] = moved([Math.floor(i / grid[1]), i % grid[1]], grid, own);
    return cells[row * own[1] + column];
  });
}

/**
 * The state of one position attention's view; nothing here touches the page.
 *
 * Weights are computed when first asked for and kept for the pins, so that moving the pointer costs one row.
 * Set `onChange` (anything to draw anew) and `onPins` (pins or mode changed) to hear of changes.
 */
export class Query {
  #data;
  #position;
  #classes; // number of the class at each location, or null
  #kept = new Map(); // of pins: cell -> weights in the present mode
  #live = null; // of the query: {cell, ...weights}, its values in the buffer
  #buffer;

  /**
   * @param data As from `readPayload`.
   * @param position One of its `positions`.
   * @param start [[row, column], ...] pinned at the start; those outside the grid are left out.
   * @param mode "row", "column", "received" or "token".
   */
  constructor(data, position, start = [], mode = "row") {
    const { grid, count } = position;
    this.#data = data;
    this.#position = position;
    this.#classes = data.segmentation ? classesOn(grid, data.segmentation) : null;
    this.#buffer = new Float32Array(count);
    this.grid = grid;
    this.count = count;
    this.pins = createPins(data.pins);
    this.mode = mode;
    this.full = false; // whether the last pin found no free number
    this.onChange = () => {};
    this.onPins = () => {};
    const inside = ([row, column]) => row >= 0 && row < grid[0] && column >= 0 && column < grid[1];
    for (const place of start.filter(inside)) this.pins.add(this.#cellOf(...place));
    const [first] = this.pins.list();
    this.cell = first ? first.cell : this.#cellOf(Math.floor(grid[0] / 2), Math.floor(grid[1] / 2));
  }

  #cellOf(row, column) {
    return row * this.grid[1] + column;
  }

  #compute(cell, values) {
    if (this.mode === "received") {
      const received = this.#position.receivedValues || this.#data.maps.get(this.#position.received).values;
      return { values: received, peak: extent(received).high, own: null, beside: null };
    }
    if (this.mode === "token") {
      const peak = this.#position.token(0, values);
      return { values, peak, own: null, beside: this.#beside(values) };
    }
    const peak = this.#position[this.mode](cell, values);
    const beside = this.mode === "row" ? this.#beside(values) : null;
    return { values, peak, own: this.#classes ? ownClass(values, this.#classes, cell) : null, beside };
  }

  /** What of a row falls on tokens that are no locations; null where there are none. */
  #beside(values) {
    if (!this.#position.others) return null;
    let total = 0;
    for (const value of values) total += value;
    return { share: Math.max(0, 1 - total), count: this.#position.others };
  }

  /** Weights of a location in the present mode: {values, peak, own: {share, area} or null, beside: {share, count} or null}. */
  weights(cell) {
    if (this.pins.find(cell)) {
      if (!this.#kept.has(cell)) this.#kept.set(cell, this.#compute(cell, new Float32Array(this.count)));
      return this.#kept.get(cell);
    }
    if (!this.#live || this.#live.cell !== cell) this.#live = { cell, ...this.#compute(cell, this.#buffer) };
    return this.#live;
  }

  /** Upper end of the colours of one picture: its own peak, or the highest of all shown. */
  top(peak, shared) {
    return shared ? Math.max(peak, ...this.pins.list().map((pin) => this.weights(pin.cell).peak)) : peak;
  }

  className(cell) {
    return this.#classes ? this.#data.segmentation.categories[this.#classes[cell]].name : "";
  }

  /** Where a location is, in words; `place` as in cells.js. */
  where(cell, place = null) {
    return whereLine(photoPixel(this.#data.geometry, this.grid, cell, place), this.grid, cell);
  }

  place(cell) {
    return { row: Math.floor(cell / this.grid[1]), column: cell % this.grid[1] };
  }

  moveTo(cell) {
    if (cell < 0 || cell >= this.count || cell === this.cell) return;
    this.cell = cell;
    this.onChange();
  }

  /** Moves the query by cells, eight at a time with `far`; stops at the edges. */
  step(down, right, far) {
    const by = far ? LEAP : 1;
    this.moveTo(neighbour(this.cell, this.grid, by * down, by * right));
  }

  /** "row", "column", "received" or "token". */
  setMode(mode) {
    this.mode = mode;
    this.#kept.clear();
    this.#live = null;
    this.onChange();
    this.onPins();
  }

  pin(cell) {
    this.cell = cell;
    this.full = this.pins.add(cell) === null;
    this.#pinsChanged();
  }

  unpin(cell) {
    this.full = false;
    if (this.pins.remove(cell)) this.#pinsChanged();
  }

  clear() {
    this.pins.clear();
    this.full = false;
    this.#pinsChanged();
  }

  #pinsChanged() {
    for (const cell of this.#kept.keys()) if (!this.pins.find(cell)) this.#kept.delete(cell);
    this.onChange();
    this.onPins();
  }
}
