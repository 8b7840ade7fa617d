// Query and key of two locations side by side, and the products whose sum is their energy.

import { barPath } from "./channel_chart.js";
import { el, svg } from "./dom.js";
import { number } from "./format.js";
import { energySentence, KEEP_ONE } from "./inside_wording.js";
import { t } from "./language.js";

/** The section; `draw` follows the location and the kept one. */
export function createVectors({ place }, position) {
  const query = createBars(t`Query of the followed location (B)`);
  const key = createBars(t`Key of the kept location (C)`);
  const product = createBars(t`Their products, channel by channel`);
  const sentence = el("p", { class: "av-readout__line" });
  const weights = new Float32Array(position.count);
  const own = (values) => values.slice(0, values.length - (position.extra || 0)); // the others stand for a bias, a mask, windows
  return {
    root: el("section", { class: "av-vectors", "aria-label": t`Query and key of two locations` }, query.root, key.root, product.root, sentence),
    draw() {
      const here = position.vectors(place.cell);
      const other = place.kept < 0 ? null : position.vectors(place.kept);
      query.draw(own(here.query));
      key.draw(other ? own(other.key) : null);
      const products = other ? here.query.map((value, c) => value * other.key[c]) : null;
      product.draw(products && own(products));
      if (!other) {
        sentence.textContent = KEEP_ONE;
        return;
      }
      position.row(place.cell, weights);
      sentence.textContent = energySentence(products.reduce((sum, value) => sum + value, 0), weights[place.kept]);
    },
  };
}

/** Numbers per channel as bars, in the order of the channels. */
function createBars(title) {
  const path = svg("path", { class: "av-channel-chart__selected" });
  const zero = svg("line", { class: "av-channel-chart__zero", x1: 0, "vector-effect": "non-scaling-stroke" });
  const drawing = svg("svg", { class: "av-vectors__drawing", preserveAspectRatio: "none", "aria-hidden": "true" }, path, zero);
  const text = el("span", { class: "av-panel__note" });
  const root = el("figure", { class: "av-vectors__one", hidden: true }, el("figcaption", { class: "av-panel__title" }, title), drawing, text);
  return {
    root,
    draw(values) {
      root.hidden = values === null;
      if (!values) return;
      const shape = barPath(Array.from(values));
      drawing.setAttribute("viewBox", `0 0 ${values.length} 100`);
      path.setAttribute("d", shape.path);
      for (const end of ["y1", "y2"]) zero.setAttribute(end, String(shape.zero));
      zero.setAttribute("x2", String(values.length));
      text.textContent = t`${values.length} channels, ${number(Math.min(...values))} to ${number(Math.max(...values))}`;
    },
  };
}
