// Between Gradio and the viewer: receives what the server sends, and mounts each view when it can be seen.

import { el } from "../../../render/viewer/js/dom.js";
import { t } from "../../../render/viewer/js/language.js";
import { mount } from "../../../render/viewer/js/mount.js";
import { lacking } from "../../../render/viewer/js/views.js";
import { carried, takePins, unpacked } from "./carry.js";
import { switchTo } from "./choose.js";
import { load } from "./layers.js";
import { open } from "./tabs.js";

const EMPTY = t`Choose a photo, and what the network attends to appears here.`;
const WHY_NOT = {
  stages:
    (name) => t`Coarse to fine shows attention to places along a network, as in BAM, CBAM or SGE, and ${name} has none; choose a model that has to see it.`,
  position: (name) => t`Position attention is that of DANet and of vision transformers, and ${name} has none; choose a model that has to see it.`,
  cross: (name) => t`Cross attention is that of decoders such as DETR's, whose queries are no places of the photo, and ${name} has none; choose a model that has to see it.`,
  channel:
    (name) => t`Channel attention shows DANet's attention between channels and the channel gates of SE and CBAM, and ${name} has neither; choose one of those to see it.`,
  inside:
    (name) => t`Inside the module follows the photo through BAM, CBAM, SE, SGE and DANet's attentions, and ${name} has none of them; choose one of those to see it.`,
  sites: (name) => t`Sites lists every attention of a network, and ${name} has none. The command attnviz sites says which of its modules can be shown instead.`,
  compare: (name) => t`Compare lays attention maps beside each other, and ${name} has none.`,
};
const views = new Map(); // name -> what is on the page
const latest = { main: null, compare: null }; // what the server sent last; a tab that opens later starts from it

document.addEventListener("attnviz-site", ({ detail }) => open(detail.view)); // one that was chosen in the list of all

function message(element, text, more = null) {
  element.replaceChildren(el("div", { class: "page-message" }, el("div", {}, el("p", {}, text), more)));
}

// A view draws only while it is on screen: a canvas in a hidden tab has no size.
function draw(entry) {
  const { element, view, payload } = entry;
  if (!entry.dirty || element.offsetWidth === 0) return;
  entry.dirty = false;
  element.removeAttribute("aria-busy");
  const without = payload && lacking(view, payload);
  if (!payload || without) {
    if (entry.handle) entry.handle.destroy();
    entry.handle = null;
    element.dataset.state = payload ? "not-applicable" : "empty";
    if (!payload) message(element, EMPTY);
    else message(element, WHY_NOT[view](without.model.name), switchTo(view)); // the way out
    return;
  }
  element.dataset.state = "drawn";
  const kept = entry.handle && entry.model === modelName(payload);
  if (kept) {
    entry.handle.update(payload);
  } else {
    if (entry.handle) entry.handle.destroy();
    const host = el("div");
    element.replaceChildren(host);
    entry.handle = mount(host, payload, { view, link: "page", load, pins: view === "position" ? takePins() : undefined });
    entry.model = modelName(payload);
  }
  element.dataset.drawn = String(Number(element.dataset.drawn || 0) + 1);
}

function modelName(payload) {
  if (payload.families) return payload.families.map(({ explanation }) => explanation.model.name).join("|");
  const names = payload.left ? [payload.left, payload.right] : [payload];
  return names.map((side) => (side ? side.model.name : "")).join("|");
}

/** Draws a view into an element, now and whenever the server sends something new. */
export function attach(element, view) {
  const entry = { element, view, payload: view === "compare" ? compared() : latest.main, handle: null, model: "", dirty: true };
  views.set(view, entry);
  new ResizeObserver(() => draw(entry)).observe(element);
  draw(entry);
}

function show(view, payload) {
  const entry = views.get(view);
  if (!entry) return;
  entry.payload = payload;
  entry.dirty = true;
  draw(entry);
}

const singles = () => [...views.keys()].filter((view) => view !== "compare");

// The tab on screen may not apply to the new network: go to the first that does.
function openFirstThatApplies(payload) {
  const visible = singles().find((view) => views.get(view).element.offsetWidth > 0);
  if (visible && lacking(visible, payload) && payload.views.length) open(payload.views[0]);
}

let lastId = null;
let arrived = false; // whether what was carried over has its place again

/**
 * Takes the main explanation; null where there is none any more. Gradio sends the last one again when its event ends,
 * which can be after the photo was removed: what was shown once is not shown a second time.
 */
export function receive(value) {
  const payload = value && value.model ? value : null;
  if (payload && payload.id === lastId) return;
  if (payload) lastId = payload.id;
  latest.main = payload;
  for (const view of singles()) show(view, payload);
  receiveCompare(null); // it was beside another photo
  if (!payload) return;
  if (!arrived && carried) open(carried.tab);
  arrived = true;
  unpacked();
  openFirstThatApplies(payload);
}

// Before a second side was asked for: the maps of the one photo.
function compared() {
  return latest.compare || (latest.main && { left: latest.main, right: null });
}

/** Takes two explanations to compare, or those of several families. */
export function receiveCompare(value) {
  latest.compare = value && (value.left || value.families) ? value : null;
  const part = document.getElementById("page-compare");
  if (part) part.dataset.shown = latest.compare && latest.compare.families ? "families" : "";
  show("compare", compared());
}

/** Dims views while they wait for something new, by default those of the one photo. */
export function busy(isBusy, names = singles()) {
  for (const name of names) {
    const entry = views.get(name);
    if (!entry) continue;
    if (isBusy) entry.element.setAttribute("aria-busy", "true");
    else entry.element.removeAttribute("aria-busy");
  }
}
