// One tensor inside a module: symbol, name and formula, its picture, shape, range, and its number at the followed location.

import { createChannelChart } from "./channel_chart.js";
import { chooser } from "./controls.js";
import { el } from "./dom.js";
import { paintMap } from "./draw.js";
import { number } from "./format.js";
import { pictureFor, pictureOf, placeInside } from "./inside_data.js";
import { AS_TILES, blockSentence, hereLine, pictureName, shapeLine } from "./inside_wording.js";
import { t } from "./language.js";
import { createBar, createPicture, placeBox } from "./picture.js";
import { extent } from "./scale.js";

/** The card; `draw(channel)` paints it anew, `onChoose` is called when what its cells see is asked for. */
export function createStepCard(context, step, onChoose) {
  const body = { vector: vectorBody, matrix: matrixBody, row: mapBody, maps: mapBody, features: mapBody }[step.kind](context, step);
  const symbol = step.sees
    ? el("button", { type: "button", class: "av-step__symbol", title: t`Show on the photo what its cells see`, "aria-label": t`${step.symbol}, ${step.title}: show on the photo what its cells see` }, step.symbol)
    : el("span", { class: "av-step__symbol" }, step.symbol);
  if (step.sees) symbol.addEventListener("click", onChoose, { signal: context.signal });
  const shape = el("p", { class: "av-panel__note" });
  const root = el(
    "figure",
    { class: "av-step" },
    el("figcaption", { class: "av-step__caption" }, symbol, el("span", { class: "av-step__name" }, step.title)),
    el("p", { class: "av-step__formula" }, step.formula || "\u00a0"),
    body.nodes,
    shape,
  );
  return {
    root,
    draw(channel) {
      const tiled = step.grid && context.settings.get("cells") === "centers" && !placeInside(step, context);
      shape.textContent = [shapeLine(body.draw(channel) || step), tiled ? AS_TILES : ""].filter(Boolean).join(" · ");
    },
  };
}

/** A picture over the photo, with the followed and the kept cell. */
function mapBody(context, step) {
  const { data, settings, colormaps, place, position, signal } = context;
  const picture = createPicture(data.view, step.title);
  const canvas = picture.layer();
  const [cursor, kept] = ["av-cursor", "av-cursor av-cursor--kept"].map((name) => el("span", { class: name, "aria-hidden": "true" }));
  const bar = createBar();
  const here = el("p", { class: "av-step__here" });
  const own = !context.groups && step.kind === "maps" && step.channels.length > 1 ? ownChoice(step, signal, () => paint()) : null;
  const row = step.kind === "row" ? new Float32Array(step.grid[0] * step.grid[1]) : null;
  picture.root.append(kept, cursor);
  const cells = () => placeInside(step, context);
  place.listen(picture.root, cells);
  picture.root.classList.add("av-picture--followed");
  let channel = "all";
  function index() {
    if (own) return own.index();
    return context.groups && step.kind === "maps" ? context.groups.index() : pictureFor(step, channel);
  }
  function values() {
    if (!row) return pictureOf(step, index());
    if (!position) return row;
    if (step.symbol === "S") position.row(place.cell, row);
    else position.energies(place.cell, row);
    return row;
  }
  function paint() {
    const shown = values();
    const scale = extent(shown);
    const table = colormaps.get(settings.get("colormap")).table;
    paintMap(canvas, shown, step.grid, scale, table, cells());
    bar.paint(scale, table, "");
    placeBox(cursor, step.grid, place.cell, cells());
    kept.hidden = place.kept < 0;
    if (!kept.hidden) placeBox(kept, step.grid, place.kept, cells());
    bar.mark(shown[place.cell], scale);
    const name = own ? "" : pictureName(step, row ? 0 : index(), Boolean(context.groups));
    here.textContent = hereLine(name, shown[place.cell], place.kept < 0 ? null : shown[place.kept]);
    return row ? { ...step, range: [scale.low, scale.high] } : step;
  }
  return {
    nodes: [picture.root, bar.root, own && own.root, here],
    draw(next) {
      channel = next;
      return paint();
    },
  };
}

/** Which of several maps a card shows. */
function ownChoice(step, signal, onChange) {
  let chosen = 0;
  const options = step.channels.map((_, i) => ({ value: String(i), label: pictureName(step, i, false) }));
  const list = chooser({ label: t`Shown`, options, value: "0", onChange: (value) => { chosen = Number(value); onChange(); }, signal });
  return { root: list.root, index: () => chosen };
}

/** Numbers per channel as bars, ranked. */
function vectorBody({ data, signal }, step) {
  const values = Array.from(step.values);
  const said = el("p", { class: "av-step__here" });
  const say = (channel) => {
    said.textContent = t`Channel ${channel}: ${number(values[channel])}`;
  };
  const chosen = values.indexOf(Math.max(...values));
  const chart = createChannelChart({ values, chosen, label: t`${step.title}: channels, ranked`, unit: "", onPick: say, signal });
  chart.root.style.aspectRatio = `${data.photo.width} / ${data.photo.height}`;
  say(chosen);
  return { nodes: [chart.root, said], draw: () => step };
}

/** A matrix between channels. */
function matrixBody({ settings, colormaps }, step) {
  const canvas = el("canvas", { class: "av-step__matrix", role: "img", "aria-label": step.title });
  const bar = createBar();
  const note = blockSentence(step.shape[0] / step.count);
  return {
    nodes: [canvas, bar.root, el("p", { class: "av-step__here" }, note)],
    draw() {
      const table = colormaps.get(settings.get("colormap")).table;
      const scale = extent(step.values);
      paintMap(canvas, step.values, [step.count, step.count], scale, table);
      bar.paint(scale, table, "");
      return step;
    },
  };
}
