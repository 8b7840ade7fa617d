// Pinned queries: numbered as in the paper's figure, each in the colour that goes with its number.

/**
 * A list of pins, in the order of their numbers. A pin keeps its number and colour as long as it lives.
 *
 * @param looks [{color, ink}] of pin 1, 2, ...: there may be as many pins.
 */
export function createPins(looks) {
  let pins = [];

  const find = (cell) => pins.find((pin) => pin.cell === cell);

  /** Pins a location; returns the pin, the one already there, or null when every number is taken. */
  function add(cell) {
    const there = find(cell);
    if (there) return there;
    let number = 1;
    while (pins.some((pin) => pin.number === number)) number += 1;
    if (number > looks.length) return null;
    const pin = Object.freeze({ cell, number, ...looks[number - 1] });
    pins = [...pins, pin].sort((a, b) => a.number - b.number);
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
