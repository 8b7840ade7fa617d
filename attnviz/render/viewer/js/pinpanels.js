// A picture per pin, so that the attention of several locations can be seen at once.

import { placeOfQuery } from "./cells.js";
import { button } from "./controls.js";
import { el } from "./dom.js";
import { paintMap } from "./draw.js";
import { percent } from "./format.js";
import { t } from "./language.js";
import { liveScale } from "./map_scale.js";
import { createPicture, placeBox } from "./picture.js";

const HINT = t`Click the photo to pin a location and keep its attention here, next to others.`;
const full = (pins) => t`${pins.length} pins at most: remove one to place another.`;

/** The number of a pin, in its colour. */
function badge(pin) {
  const node = el("span", { class: "av-badge" }, `#${pin.number}`);
  node.style.background = pin.color;
  node.style.color = pin.ink;
  return node;
}

/** A pin's number on a picture; `place` of the cells as in cells.js. */
export function mark(pin, grid, place) {
  const box = el("span", { class: "av-mark" }, badge(pin));
  placeBox(box, grid, pin.cell, place);
  return box;
}

/** All pins' pictures; `draw()` brings them in step with the query. */
export function createPinPanels(context, query) {
  const list = el("div", { class: "av-pins" });
  const hint = el("p", { class: "av-empty" });
  const clear = button({ label: t`Remove all pins`, onClick: () => query.clear(), signal: context.signal });
  let made = new Map();
  return {
    root: el("section", { class: "av-pinbox", "aria-label": t`Pinned locations` }, hint, list, clear),
    draw() {
      const pins = query.pins.list();
      const before = made;
      made = new Map(pins.map((pin) => [pin, before.get(pin) || pinPanel(context, query, pin)]));
      if (pins.length !== before.size || pins.some((pin) => !before.has(pin))) {
        list.replaceChildren(...[...made.values()].map((panel) => panel.root));
      }
      hint.textContent = pins.length ? (query.full ? full(context.data.pins) : "") : HINT;
      hint.hidden = !hint.textContent;
      clear.hidden = pins.length < 2;
      for (const panel of made.values()) panel.draw();
    },
  };
}

function pinPanel(context, query, pin) {
  const { data, settings, colormaps, signal } = context;
  const picture = createPicture(data.view, t`Attention of pin ${pin.number}`);
  const canvas = picture.layer();
  const number = mark(pin, query.grid, placeOfQuery(context));
  picture.root.append(number);
  const text = el("span", { class: "av-pin__text" });
  const note = el("p", { class: "av-panel__note" });
  const remove = button({ label: "×", name: t`Remove pin ${pin.number}`, onClick: () => query.unpin(pin.cell), signal, kind: "av-button--icon" });
  const root = el("article", { class: "av-pin", "aria-label": t`Pin ${pin.number}` }, el("header", { class: "av-pin__header" }, badge(pin), text, remove), picture.root, note);
  root.style.setProperty("--av-pin", pin.color);
  let drawn = "";
  return {
    root,
    draw() {
      const weights = query.weights(pin.cell);
      const { values, own } = weights;
      const scale = liveScale(query, weights, settings);
      const colormap = settings.get("colormap");
      const place = placeOfQuery(context);
      const wanted = `${query.mode} ${colormap} ${Object.values(scale).join()} ${Boolean(place)}`;
      if (wanted === drawn) return;
      drawn = wanted;
      paintMap(canvas, values, query.grid, scale, colormaps.get(colormap).table, place);
      placeBox(number, query.grid, pin.cell, place);
      const { row, column } = query.place(pin.cell);
      text.textContent = query.className(pin.cell) || t`row ${row}, column ${column}`;
      const share = own ? t` · own class ${percent(own.share)} (${percent(own.area)} of the locations)` : "";
      note.textContent = colorsLine(scale) + share;
    },
  };
}

function colorsLine({ low, high, log }) {
  const [from, to] = [low ? percent(low) : "0", percent(high)];
  return log ? t`Colours ${from} to ${to}, log` : t`Colours ${from} to ${to}`;
}
