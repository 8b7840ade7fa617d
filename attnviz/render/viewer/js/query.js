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
 * Set `onChange` (anything to draw anew) and `onPins` (pins or mode changed) to hear of changes.
 */
export class Query {
  #data;
  #kept = new Map(); // of pins: cell -> weights in the present mode
  #live = null; // of the query: {cell, ...weights}, its values in the buffer
  #buffer;

  /**
   * @param data As from `readPayload`.
   * @param start [[row, column], ...] pinned at the start; those outside the grid are left out.
   */
  constructor(data, start = []) {
    const { grid, count } = data.position;
    this.#data = data;
    this.#buffer = new Float32Array(count);
    this.grid = grid;
    this.count = count;
    this.pins = createPins();
    this.mode = "row";
    this.full = false; // whether the last pin found no free colour
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
    const { position, maps, segmentation } = this.#data;
    if (this.mode === "received") {
      const received = maps.get(position.received).values;
      return { values: received, peak: extent(received).high, own: null };
    }
    const peak = position[this.mode](cell, values);
    return { values, peak, own: segmentation ? ownClass(values, segmentation.cells, cell) : null };
  }

  /** Weights of a location in the present mode: {values, peak, own: {share, area} or null}. */
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
    const { segmentation } = this.#data;
    return segmentation ? segmentation.categories[segmentation.cells[cell]].name : "";
  }

  /** Where a location is, in words. */
  where(cell) {
    return whereLine(photoPixel(this.#data.geometry, this.grid, cell), this.grid, cell);
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
    const clamp = (value, most) => Math.min(Math.max(value, 0), most - 1);
    const { row, column } = this.place(this.cell);
    this.moveTo(this.#cellOf(clamp(row + by * down, this.grid[0]), clamp(column + by * right, this.grid[1])));
  }

  /** "row", "column" or "received". */
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
