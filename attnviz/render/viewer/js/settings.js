// What the visitor chose about looks; one store for all views of a viewer, kept when new data comes.

const DEFAULTS = Object.freeze({
  opacity: 0.65, // of the map, 0 to 1
  colormap: "viridis",
  diverging: "RdBu_r",
  smooth: false, // nearest by default: a picture never shows more than was computed
  scaling: "each",
});

const linked = new Map(); // name -> the store that all viewers of that name share

/** The store of that name, made when it is first asked for; without a name, a store of one's own. */
export function settingsFor(name, initial = {}) {
  if (!name) return createSettings(initial);
  if (!linked.has(name)) linked.set(name, createSettings(initial));
  return linked.get(name);
}

/** A small store: `get`, `set`, and `subscribe` to a change of any setting. */
export function createSettings(initial = {}) {
  const known = Object.entries(initial).filter(([name, value]) => name in DEFAULTS && value !== undefined);
  const values = { ...DEFAULTS, ...Object.fromEntries(known) };
  const listeners = new Set();
  return {
    get: (name) => values[name],
    set(name, value) {
      if (values[name] === value) return;
      values[name] = value;
      for (const listener of [...listeners]) listener(name, value);
    },
    subscribe(listener, signal) {
      listeners.add(listener);
      signal.addEventListener("abort", () => listeners.delete(listener), { once: true });
    },
  };
}
