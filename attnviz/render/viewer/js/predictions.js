// What a network that classifies says about the photo.

import { el } from "./dom.js";
import { percent } from "./format.js";
import { t } from "./language.js";

/** The most probable categories with their probabilities; null where the network names none. */
export function predictionList({ predictions }) {
  if (!predictions.length) return null;
  return el(
    "section",
    { class: "av-predictions" },
    el("h2", { class: "av-heading" }, t`What the network says`),
    el(
      "ol",
      { class: "av-ranking" },
      predictions.map((p) => {
        const fill = el("span", { class: "av-ranking__fill" });
        fill.style.width = `${100 * p.probability}%`;
        return el(
          "li",
          {},
          el("span", { class: "av-ranking__name" }, p.category),
          el("span", { class: "av-ranking__value" }, percent(p.probability)),
          el("span", { class: "av-ranking__track", "aria-hidden": "true" }, fill),
        );
      }),
    ),
  );
}
