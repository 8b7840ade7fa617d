// All groups of an SGE module: small pictures of one of its tensors, the chosen group large, and in every tensor's card.

import { segmented } from "./controls.js";
import { el } from "./dom.js";
import { paintMap } from "./draw.js";
import { number } from "./format.js";
import { pictureOf, placeInside } from "./inside_data.js";
import { fewGroups, groupName, hereLine } from "./inside_wording.js";
import { t } from "./language.js";
import { createBar, createPicture, placeBox } from "./picture.js";
import { extent } from "./scale.js";
import { createThumbs } from "./thumbs.js";

/** The section; `onChange` is called when another group is chosen, whose number among those sent is `index()`. */
export function createGroups(context, onChange) {
  const { data, module, settings, colormaps, signal } = context;
  const steps = module.steps.filter(({ kind }) => kind === "maps");
  let step = steps.at(-1); // the gate
  let chosen = 0;
  const large = createLarge(context);
  const ranges = step.channels.map((_, i) => extent(pictureOf(step, i)));
  const items = step.channels.map((group, i) => ({ texts: [el("b", {}, `#${group}`), el("span", {}, t`${number(ranges[i].low)} to ${number(ranges[i].high)}`)] }));
  const label = t`Groups: small pictures of the gate of each`;
  const thumbs = createThumbs({ photo: data.view, items, label, onChoose: choose, signal });
  const options = steps.map(({ symbol, title }) => ({ value: symbol, label: symbol, title }));
  const tensor = segmented({ label: t`Tensor shown`, options, value: step.symbol, onChange: (symbol) => { step = steps.find((s) => s.symbol === symbol); paint(); draw(); }, signal });
  function choose(index) {
    chosen = index;
    thumbs.choose(index);
    onChange();
  }
  function paint() {
    const table = colormaps.get(settings.get("colormap")).table;
    const shown = step;
    thumbs.draw((index, canvas) => {
      const values = pictureOf(shown, index);
      paintMap(canvas, values, shown.grid, extent(values), table, placeInside(shown, context));
    });
  }
  const draw = () => large.draw(step, chosen);
  settings.subscribe((name) => ["colormap", "cells"].includes(name) && paint(), signal);
  thumbs.choose(chosen);
  paint();
  const note = step.channels.length < step.shape[0] ? el("p", { class: "av-meta" }, fewGroups(step.channels.length, step.shape[0])) : null;
  return {
    root: el(
      "section",
      { class: "av-groups", "aria-label": t`Every group inside` },
      el("h2", { class: "av-heading" }, t`Every group`),
      el("p", { class: "av-meta" }, t`Choose a group, by pointer or with arrow keys: it is shown large, and above in every tensor that has groups.`),
      note,
      el("div", { class: "av-toolbar" }, tensor.root),
      el("div", { class: "av-halves" }, large.root, thumbs.root),
    ),
    draw,
    index: () => chosen,
  };
}

/** One group of a tensor, with the followed and the kept location. */
function createLarge(context) {
  const { data, module, settings, colormaps, place } = context;
  const picture = createPicture(data.view, t`The photo with one group over it`);
  const canvas = picture.layer();
  const [cursor, kept] = ["av-cursor", "av-cursor av-cursor--kept"].map((name) => el("span", { class: name, "aria-hidden": "true" }));
  const bar = createBar();
  const heading = el("h3", { class: "av-heading", "aria-live": "polite" });
  const here = el("p", { class: "av-step__here" });
  let step = module.steps[0];
  const cells = () => placeInside(step, context);
  picture.root.append(kept, cursor);
  picture.root.classList.add("av-picture--followed");
  place.listen(picture.root, cells);
  return {
    root: el("div", { class: "av-output" }, heading, picture.root, bar.root, here),
    draw(shown, index) {
      step = shown;
      const values = pictureOf(step, index);
      const scale = extent(values);
      const table = colormaps.get(settings.get("colormap")).table;
      paintMap(canvas, values, step.grid, scale, table, cells());
      bar.paint(scale, table, "");
      bar.mark(values[place.cell], scale);
      placeBox(cursor, step.grid, place.cell, cells());
      kept.hidden = place.kept < 0;
      if (!kept.hidden) placeBox(kept, step.grid, place.kept, cells());
      heading.textContent = groupName(step, index);
      here.textContent = hereLine(step.formula, values[place.cell], place.kept < 0 ? null : values[place.kept]);
    },
  };
}
