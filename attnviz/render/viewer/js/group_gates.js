// All groups of SGE, module by module: a small picture of each group's gate, and one of them large.

import { placed } from "./cells.js";
import { chooser } from "./controls.js";
import { el } from "./dom.js";
import { paintMap } from "./draw.js";
import { number, rawLine } from "./format.js";
import { t } from "./language.js";
import { mapScale, PAINT_SETTINGS } from "./map_scale.js";
import { createBar, createPicture } from "./picture.js";
import { createThumbs } from "./thumbs.js";
import { flatRemark } from "./wording.js";

/** The section; the deepest module comes first. */
export function createGroupGates(context) {
  const { data, settings, signal } = context;
  const gates = data.groupGates;
  const box = el("div");
  let module = null; // what is on the screen: {paint}
  const show = (label) => {
    module = createModule(context, gates.find((gate) => gate.label === label));
    box.replaceChildren(module.root);
    module.paint();
  };
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
    data.group_note ? el("p", { class: "av-meta" }, data.group_note) : null,
    box,
  );
}

/** One module: its groups as buttons, and the chosen one large. */
function createModule(context, gate) {
  const { data, settings, colormaps, signal } = context;
  const large = createLarge(context);
  let chosen = 0;
  const items = gate.maps.map(({ extent }, index) => ({ texts: [el("b", {}, `#${index}`), el("span", {}, t`${number(extent.low)} to ${number(extent.high)}`)] }));
  const thumbs = createThumbs({ photo: data.view, items, label: t`Groups: small pictures of the gate of each`, onChoose: choose, signal });
  function choose(index) {
    chosen = index;
    thumbs.choose(index);
    large.show(gate, index);
  }
  return {
    root: el("div", { class: "av-halves" }, large.root, thumbs.root),
    paint() {
      const table = colormaps.get(settings.get("colormap")).table;
      thumbs.draw((index, canvas) => {
        const map = gate.maps[index];
        paintMap(canvas, map.values, map.grid, mapScale(map, gate.maps, settings), table, placed(map, settings, data.geometry).place);
      });
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
