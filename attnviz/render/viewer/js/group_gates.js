// All groups of SGE, module by module: a small picture of each group's gate, and one of them large.

import { placed } from "./cells.js";
import { chooser } from "./controls.js";
import { readGroupGate } from "./data.js";
import { el } from "./dom.js";
import { paintMap } from "./draw.js";
import { number, rawLine } from "./format.js";
import { t } from "./language.js";
import { createLoader } from "./loader.js";
import { mapScale, PAINT_SETTINGS } from "./map_scale.js";
import { createBar, createPicture } from "./picture.js";
import { flatRemark } from "./wording.js";

/** The section; the deepest module comes first. */
export function createGroupGates(context) {
  const { data, settings, signal } = context;
  const gates = data.groupGates;
  const box = el("div");
  const busy = el("p", { class: "av-meta", "aria-live": "polite" });
  let module = null; // what is on the screen: {paint}
  const put = (gate) => {
    module = createModule(context, gate);
    box.replaceChildren(module.root);
    module.paint();
  };
  const show = createLoader(context, gates, box, busy, put, {
    ready: (gate) => gate.maps,
    read: (part) => readGroupGate(part, data.maps),
  });
  const options = gates.map(({ label, title }) => ({ value: label, label: title }));
  const list = chooser({ label: t`Module`, options, value: gates.at(-1).label, onChange: show, signal });
  settings.subscribe((name) => PAINT_SETTINGS.includes(name) && module.paint(), signal);
  show(gates.at(-1).label);
  return el(
    "section",
    { class: "av-groups", "aria-label": t`Every group` },
    el("h2", { class: "av-heading" }, t`Every group`),
    el("p", { class: "av-meta" }, t`SGE has one map for each group of channels: what the channels of the group are multiplied by at each location, from 0 to 1.`),
    gates.length > 1 ? el("div", { class: "av-toolbar" }, list.root) : null,
    busy,
    data.group_note ? el("p", { class: "av-meta" }, data.group_note) : null,
    box,
  );
}

/** One module: its groups as buttons, and the chosen one large. */
function createModule(context, gate) {
  const { data, settings, colormaps, signal } = context;
  const large = createLarge(context);
  let chosen = 0;
  const items = gate.maps.map((map, index) => {
    const picture = createPicture(data.view, "");
    const [low, high] = [number(map.extent.low), number(map.extent.high)];
    const texts = [el("b", {}, `#${index}`), el("span", {}, t`${low} to ${high}`)];
    const button = el("button", { type: "button", class: "av-thumb", "aria-pressed": "false" }, picture.root, el("span", { class: "av-thumb__text" }, texts));
    button.addEventListener("click", () => choose(index), { signal });
    return { map, canvas: picture.layer(), button };
  });
  function choose(index) {
    chosen = index;
    items.forEach(({ button }, i) => button.setAttribute("aria-pressed", String(i === index)));
    large.show(gate, index);
  }
  return {
    root: el("div", { class: "av-halves" }, large.root, el("div", { class: "av-thumbs" }, items.map((item) => item.button))),
    paint() {
      const table = colormaps.get(settings.get("colormap")).table;
      for (const { map, canvas } of items) {
        const { place } = placed(map, settings, data.geometry);
        paintMap(canvas, map.values, map.grid, mapScale(map, gate.maps, settings), table, place);
      }
      choose(chosen);
    },
  };
}

function createLarge({ data, settings, colormaps }) {
  const picture = createPicture(data.view, t`The photo with the gate of one group over it`);
  picture.root.classList.add("av-picture--large");
  const canvas = picture.layer();
  const bar = createBar();
  const heading = el("h3", { class: "av-heading" });
  const note = el("p", { class: "av-meta", "aria-live": "polite" });
  return {
    root: el("div", { class: "av-output" }, heading, picture.root, bar.root, note),
    show(gate, index) {
      const map = gate.maps[index];
      const scale = mapScale(map, gate.maps, settings);
      const table = colormaps.get(settings.get("colormap")).table;
      paintMap(canvas, map.values, map.grid, scale, table, placed(map, settings, data.geometry).place);
      bar.paint(scale, table, "gate");
      heading.textContent = t`Group ${index} of ${gate.count}`;
      note.textContent = [rawLine(map), flatRemark(map.extent, [0, 1])].filter(Boolean).join(t`. `);
    },
  };
}
