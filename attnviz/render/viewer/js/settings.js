// What the visitor chose about looks; one store for all views of a viewer, kept when new data comes.

const KNOWN = [
  ...["opacity", "colormap", "diverging", "smooth", "scaling", "cells"],
  ...["map_spread", "map_opacity_by", "attention_spread", "attention_opacity_by"], // of position attention, and of all other maps
  "site", // label of the one last looked for
  ...["attention", "cross_attention", "head"], // last chosen: labels, and "mean" or a head's number as text
];
const FIRST = Object.freeze({
  smooth: false, // a picture never shows more than was computed, unless it is asked to
  scaling: "each",
});

const linked = new Map(); // name -> the store that all viewers of that name share

/** The store of that name, made when it is first asked for; without a name, a store of one's own. */
export function settingsFor(name, initial = {}) {
  if (!name) return createSettings(initial);
  if (!linked.has(name)) linked.set(name, createSettings(initial));
  return linked.get(name);
}

/** A small store: `get`, `set`, `fill` what nobody has chosen yet, `all`, and `subscribe` to a change of any setting. */
export function createSettings(initial = {}) {
  const known = (given) => Object.fromEntries(Object.entries(given).filter(([name, value]) => KNOWN.includes(name) && value !== undefined));
  let values = { ...FIRST, ...known(initial) };
  const listeners = new Set();
  return {
    get: (name) => values[name],
    all: () => ({ ...values }),
    set(name, value) {
      if (values[name] === value) return;
      values[name] = value;
      for (const listener of [...listeners]) listener(name, value);
    },
    fill(looks) {
      values = { ...known(looks), ...values };
    },
    subscribe(listener, signal) {
      listeners.add(listener);
      signal.addEventListener("abort", () => listeners.delete(listener), { once: true });
    },
  };
}
