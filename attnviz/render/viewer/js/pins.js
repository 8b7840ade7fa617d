// Pinned queries: numbered as in the paper's figure, each with its own colour.

/** Okabe and Ito's colours, told apart with any common colour blindness; the same as attnviz.render.class_colors. */
export const PIN_COLORS = Object.freeze(["#e69f00", "#56b4e9", "#009e73", "#d55e00", "#cc79a7", "#0072b2"]);

/** A list of pins, in the order they were made. A pin keeps its number and colour as long as it lives. */
export function createPins() {
  let pins = [];

  const find = (cell) => pins.find((pin) => pin.cell === cell);

  /** Pins a location; returns the pin, the one already there, or null when every colour is taken. */
  function add(cell) {
    const there = find(cell);
    if (there) return there;
    const slot = PIN_COLORS.findIndex((_, i) => pins.every((pin) => pin.slot !== i));
    if (slot < 0) return null;
    const pin = Object.freeze({ cell, slot, number: slot + 1, color: PIN_COLORS[slot] });
    pins = [...pins, pin].sort((a, b) => a.slot - b.slot);
    return pin;
  }

  /** Removes the pin at a location; true when there was one. */
  function remove(cell) {
    const before = pins.length;
    pins = pins.filter((pin) => pin.cell !== cell);
    return pins.length < before;
  }

  return {
    add,
    remove,
    find,
    clear: () => {
      pins = [];
    },
    list: () => pins,
  };
}

/** Black or white, whichever reads better on a colour "#rrggbb" (WCAG contrast). */
export function inkOn(color) {
  const [r, g, b] = [1, 3, 5].map((i) => linear(parseInt(color.slice(i, i + 2), 16) / 255));
  const luminance = 0.2126 * r + 0.7152 * g + 0.0722 * b;
  return 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05 ? "#ffffff" : "#000000";
}

function linear(channel) {
  return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
}
