// The viewer's one entry: mount(element, payload, options) -> {update, destroy}.

import { channelView } from "./channel.js";
import { compareView } from "./compare.js";
import { readPayload } from "./data.js";
import { el, freshId } from "./dom.js";
import { positionView } from "./position.js";
import { settingsFor } from "./settings.js";
import { stagesView } from "./stages.js";
import { followTheme } from "./theme.js";
import { UNTRAINED } from "./wording.js";

const VIEWS = {
  stages: { label: "Coarse to fine", make: stagesView, has: (d) => d.stages.length > 0 || d.maps.size > (d.position ? 1 : 0) },
  position: { label: "Position attention", make: positionView, has: (d) => d.position !== null },
  channel: { label: "Channel attention", make: channelView, has: (d) => d.channel !== null },
};

const mounted = new WeakMap(); // element -> the viewer in it

/**
 * Draws a viewer into an element; one that was there before is destroyed.
 *
 * @param element Gets the class "attnviz"; what it held is replaced.
 * @param payload As made by attnviz.render.viewer.payload; {left, right} for two; null shows that there is nothing yet.
 * @param options view: "stages", "position", "channel", "compare" or "all" (tabs; the default); heading: show the
 *   model's name; theme: "auto", "light" or "dark"; pins: [[row, column], ...]; link: viewers with the same link share their looks; any setting of settings.js.
 * The element sends "attnviz-pins" {mode, pins: [{number, row, column}]} whenever the pins or the mode change.
 * @returns {{update(payload): void, destroy(): void}} `element.dataset.ready` is "1" once it is drawn.
 */
export function mount(element, payload, options = {}) {
  if (mounted.has(element)) mounted.get(element).destroy();
  injectStyle();
  const settings = settingsFor(options.link, options);
  let life = new AbortController();
  let shown = options.view || "all";

  function draw(next) {
    life.abort();
    life = new AbortController();
    delete element.dataset.ready;
    element.classList.add("attnviz");
    const tell = (name, detail) => element.dispatchEvent(new CustomEvent(name, { detail, bubbles: true }));
    const context = { options, settings, tell, signal: life.signal, id: freshId("viewer") };
    try {
      element.replaceChildren(...content(next, context, shown, (view) => { shown = view; }));
    } catch (error) {
      element.replaceChildren(el("p", { class: "av-empty", role: "alert" }, `This cannot be shown: ${error.message}`));
      throw error;
    }
    followTheme(element, life.signal, options.theme);
    followLooks(element, settings, life.signal);
    announceReady(element, life.signal);
  }

  const viewer = {
    update: draw,
    destroy() {
      life.abort();
      if (mounted.get(element) !== viewer) return; // another viewer lives there now
      mounted.delete(element);
      element.replaceChildren();
      element.classList.remove("attnviz");
      element.style.removeProperty("--av-opacity");
      for (const name of ["ready", "theme", "smooth"]) delete element.dataset[name];
    },
  };
  mounted.set(element, viewer);
  draw(payload);
  return viewer;
}

/** A payload's contents as numbers: maps, position.row(cell, out), ... */
export const read = readPayload;

/** The style sheet, once per document. */
function injectStyle() {
  if (document.getElementById("attnviz-style") || !globalThis.attnviz || !globalThis.attnviz.style) return;
  document.head.append(el("style", { id: "attnviz-style" }, globalThis.attnviz.style));
}

function content(payload, context, shown, onView) {
  if (!payload) return [el("p", { class: "av-empty" }, "Nothing to show yet.")];
  const pair = "left" in payload;
  if (pair && !payload.left) return [el("p", { class: "av-empty" }, "Nothing to compare yet.")];
  const data = readPayload(pair ? payload.left : payload);
  const right = pair && payload.right ? readPayload(payload.right) : null;
  const inner = { ...context, data, right, colormaps: data.colormaps };
  const heading = context.options.heading ? el("div", { class: "av-titles" }, right ? [titleOf(data, "A: "), titleOf(right, "B: ")] : titleOf(data, "")) : null;
  const untrained = [data, right].some((d) => d && !d.model.trained);
  const banner = untrained ? el("p", { class: "av-banner", role: "note" }, UNTRAINED) : null;
  return [heading, banner, body(inner, pair, shown, onView)].filter(Boolean);
}

function body(context, pair, shown, onView) {
  const { data, options } = context;
  const wanted = options.view || "all";
  if (wanted === "compare") return data.maps.size ? compareView(context) : missing(data, "stages");
  if (wanted !== "all") return VIEWS[wanted].has(data) ? VIEWS[wanted].make(context) : missing(data, wanted);
  const compare = pair ? [["compare", { label: "Compare", make: compareView }]] : [];
  const list = [...compare, ...viewsOf(data, context, pair ? "A" : ""), ...viewsOf(context.right, context, "B")];
  return list.length ? tabs(list, context, shown, onView) : missing(data, "stages");
}

/** The views that one side's data allow: [name, {label, make}]. */
function viewsOf(data, context, letter) {
  if (!data) return [];
  const allowed = Object.entries(VIEWS).filter(([, view]) => view.has(data));
  return allowed.map(([name, { label, make }]) => [
    `${name}${letter}`,
    { label: letter ? `${letter} · ${label}` : label, make: () => make({ ...context, data, colormaps: data.colormaps }) },
  ]);
}

function missing(data, view) {
  const what = { stages: "attention maps along its trunk", position: "position attention", channel: "channel attention" }[view];
  return el("p", { class: "av-empty" }, `${data.model.name} has no ${what}.`);
}

function titleOf({ model, photo, geometry }, letter) {
  const [height, width] = geometry.photo;
  const [rows, columns] = geometry.detail;
  const jpeg = geometry.jpeg_quality ? "a JPEG of " : "";
  const same = columns === photo.width && rows === photo.height && !jpeg;
  const detail = same ? "" : ` with the detail of ${jpeg}${columns} × ${rows},`;
  const pixels = `saw ${photo.width} × ${photo.height} pixels${detail} of a photo of ${width} × ${height}`;
  return el(
    "header",
    { class: "av-title" },
    el(letter === "B: " ? "h2" : "h1", { class: "av-title__name" }, letter + model.name),
    el("p", { class: "av-meta" }, [model.architecture, model.sha256 ? `weights ${model.sha256.slice(0, 12)}` : "weights without a file", pixels].join(" · ")),
  );
}

/** Tabs over the views that the data has; each is made when first shown. */
function tabs(views, context, shown, onView) {
  if (views.length === 1) return views[0][1].make(context);
  const made = new Map();
  const list = el("div", { class: "av-tabs", role: "tablist", "aria-label": "Views" });
  const panels = el("div", {});
  const buttons = views.map(([name, view]) => {
    const panel = el("div", { role: "tabpanel", id: `${context.id}-${name}`, "aria-labelledby": `${context.id}-tab-${name}`, hidden: true });
    panels.append(panel);
    const tab = el("button", { type: "button", role: "tab", class: "av-tab", id: `${context.id}-tab-${name}`, "aria-controls": panel.id }, view.label);
    tab.addEventListener("click", () => select(name), { signal: context.signal });
    list.append(tab);
    return { name, view, tab, panel };
  });
  function select(name, focus = false) {
    onView(name);
    for (const { name: own, view, tab, panel } of buttons) {
      const on = own === name;
      tab.setAttribute("aria-selected", String(on));
      tab.tabIndex = on ? 0 : -1;
      panel.hidden = !on;
      if (on && !made.has(own)) {
        made.set(own, true);
        panel.append(view.make(context));
      }
      if (on && focus) tab.focus();
    }
  }
  list.addEventListener("keydown", (event) => {
    const at = buttons.findIndex((b) => b.tab.getAttribute("aria-selected") === "true");
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    select(buttons[(to + buttons.length) % buttons.length].name, true);
  }, { signal: context.signal });
  select(buttons.some((b) => b.name === shown) ? shown : buttons[0].name);
  return el("div", {}, list, panels);
}

/** Opacity and interpolation are CSS: they change every picture at once, without drawing. */
function followLooks(element, settings, signal) {
  const apply = () => {
    element.style.setProperty("--av-opacity", String(settings.get("opacity")));
    element.dataset.smooth = settings.get("smooth") ? "1" : "0";
  };
  apply();
  settings.subscribe(apply, signal);
}

async function announceReady(element, signal) {
  const images = [...element.querySelectorAll("img")];
  await Promise.all(images.map((image) => image.decode().catch(() => null)));
  if (!signal.aborted) element.dataset.ready = "1";
}
