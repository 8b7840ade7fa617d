// The contact sheet of a batch: one tile per photo, added as the server finishes them.

import { el } from "../../../render/viewer/js/dom.js";
import { t } from "../../../render/viewer/js/language.js";

/**
 * Brings the sheet up to date; a new run starts a new one.
 *
 * value: {run, total, done, tiles: [{index, name, pictures: [{url}], caption, failed}]}
 */
export function sheet(element, value) {
  const host = element.querySelector(".page-sheet");
  if (!value) {
    host.replaceChildren();
    delete host.dataset.run;
    return;
  }
  if (host.dataset.run !== String(value.run)) {
    host.dataset.run = String(value.run);
    host.replaceChildren(progress(), el("ul", { class: "page-tiles" }));
  }
  const bar = host.querySelector("progress");
  bar.max = value.total || 1;
  bar.value = value.done;
  host.querySelector(".page-progress-words").textContent = t`${value.done} of ${value.total}`;
  const tiles = host.querySelector(".page-tiles");
  for (const item of value.tiles || []) {
    if (!tiles.querySelector(`[data-index="${Number(item.index)}"]`)) tiles.append(tile(item));
  }
}

function progress() {
  return el("div", { class: "page-progress" }, el("progress", { "aria-label": t`Photos finished` }), el("span", { class: "page-progress-words" }));
}

function tile({ index, name, pictures, caption, failed }) {
  const shown = pictures.map(({ url }, i) => el("img", { src: url, alt: `${name}, ${i === 0 ? t`the photo` : t`its attention map`}` }));
  return el(
    "li",
    { "data-index": index, "data-failed": String(Boolean(failed)) },
    shown.length ? el("div", { class: "page-tile-pictures" }, shown) : null,
    el("strong", {}, name),
    el("span", {}, caption || ""),
  );
}
