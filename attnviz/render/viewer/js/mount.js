// The viewer's one entry: mount(element, payload, options) -> {update, destroy}.

import { channelView } from "./channel.js";
import { compareView } from "./compare.js";
import { crossView } from "./cross.js";
import { readPayload } from "./data.js";
import { el, freshId } from "./dom.js";
import { evidenceView } from "./evidence.js";
import { familiesView } from "./families.js";
import { insideView } from "./inside.js";
import { t } from "./language.js";
import { positionView } from "./position.js";
import { settingsFor } from "./settings.js";
import { stagesView } from "./stages.js";
import { STYLE } from "./style.js";
import { createTablist } from "./tablist.js";
import { followTheme } from "./theme.js";
import { sitesView } from "./site_list.js";
import { lacking, VIEW_LABELS } from "./views.js";
import { UNTRAINED } from "./wording.js";

const MAKERS = { stages: stagesView, position: positionView, cross: crossView, channel: channelView, inside: insideView, sites: sitesView, evidence: evidenceView, compare: compareView };
const alone = () => Promise.reject(new Error(t`it was left out, and there is no server to ask`));

const mounted = new WeakMap(); // element -> the viewer in it

/**
 * Draws a viewer into an element; one that was there before is destroyed.
 *
 * @param element Gets the class "attnviz"; what it held is replaced.
 * @param payload As made by attnviz.render.viewer.payload; {left, right} for two; {families:
 *   [{family, explanation}]} for a column each; null shows that there is nothing yet.
 * @param options view: "stages", "position", "cross", "channel", "inside", "evidence", "compare" or "all" (tabs; the default);
 *   heading: show the model's name; theme: "auto", "light" or "dark"; pins: [[row, column], ...]; link: viewers with the same link share
 *   their looks; load(id, label): a promise of an entry of `positions` that the payload with this id does not
 *   carry; any setting of settings.js, instead of what the payload begins with.
 * The element sends "attnviz-pins" {mode, pins: [{number, row, column}]} whenever the pins or the mode change; rows and
 * columns of pins are those of the first position attention's grid. It sends "attnviz-site" {view, tab, label} when a site
 * is chosen in the list of all.
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
    const context = { host: element, options, settings, tell, load: options.load || alone, signal: life.signal, id: freshId("viewer") };
    try {
      element.replaceChildren(...content(next, context, shown, (view) => { shown = view; }));
    } catch (error) {
      element.replaceChildren(el("p", { class: "av-empty", role: "alert" }, t`This cannot be shown: ${error.message}`));
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

/** An element in the viewer's looks, light or dark as the page is, until the signal; for parts that stand alone. */
export function dressed(element, signal) {
  injectStyle();
  element.classList.add("attnviz");
  followTheme(element, signal);
  return element;
}

/** The style sheet, once per document. */
function injectStyle() {
  if (!document.getElementById("attnviz-style")) document.head.append(el("style", { id: "attnviz-style" }, STYLE));
}

function content(payload, context, shown, onView) {
  if (!payload) return [el("p", { class: "av-empty" }, t`Nothing to show yet.`)];
  if ("families" in payload) return families(payload, context);
  const pair = "left" in payload;
  if (pair && !payload.left) return [el("p", { class: "av-empty" }, t`Nothing to compare yet.`)];
  const data = readPayload(pair ? payload.left : payload);
  const right = pair && payload.right ? readPayload(payload.right) : null;
  context.settings.fill(data.looks);
  const inner = { ...context, data, right, colormaps: data.colormaps };
  const heading = context.options.heading ? el("div", { class: "av-titles" }, right ? [titleOf(data, "A: "), titleOf(right, "B: ")] : titleOf(data, "")) : null;
  const untrained = [data, right].some((d) => d && !d.model.trained);
  const banner = untrained ? el("p", { class: "av-banner", role: "note" }, UNTRAINED) : null;
  return [heading, banner, body(inner, payload, shown, onView)].filter(Boolean);
}

/** Several networks on one photo, a column each: there is one view of them. */
function families(payload, context) {
  const list = payload.families.map(({ family, explanation }) => ({ family, data: readPayload(explanation) }));
  if (!list.length) return [el("p", { class: "av-empty" }, t`Nothing to compare yet.`)];
  const [{ data }] = list;
  context.settings.fill(data.looks);
  const heading = context.options.heading ? el("h1", { class: "av-title__name" }, list.map(({ family }) => family).join(" · ")) : null;
  return [heading, familiesView({ ...context, data, families: list, colormaps: data.colormaps })].filter(Boolean);
}

function body(context, payload, shown, onView) {
  const wanted = context.options.view || "all";
  if (wanted !== "all") return only(wanted, context, payload);
  const pair = "left" in payload;
  const compare = pair ? [{ name: "compare", label: VIEW_LABELS.compare, make: () => only("compare", context, payload) }] : [];
  const list = [...compare, ...viewsOf(context, context.data, pair ? "A" : ""), ...viewsOf(context, context.right, "B")];
  return list.length ? tabs(list, context, shown, onView) : missing(context.data, "stages");
}

/** One view, or why it is not there. */
function only(view, context, payload) {
  const without = lacking(view, payload);
  return without ? missing(without, view) : MAKERS[view](context);
}

/** The views that one side's data allow: [{name, label, make}]. */
function viewsOf(context, data, letter) {
  if (!data) return [];
  return data.views.map((view) => ({
    name: `${view}${letter}`,
    label: letter ? `${letter} · ${VIEW_LABELS[view]}` : VIEW_LABELS[view],
    make: () => MAKERS[view]({ ...context, data, letter, colormaps: data.colormaps }),
  }));
}

function missing({ model }, view) {
  const maps = t`attention maps along its trunk`;
  const what = { stages: maps, position: t`position attention`, cross: t`cross attention`, channel: t`channel attention`, inside: t`attention module whose inside was kept`, sites: t`attention`, evidence: t`measured evidence`, compare: maps }[view];
  return el("p", { class: "av-empty" }, t`${model.name} has no ${what}.`);
}

function titleOf({ model, photo, geometry }, letter) {
  const [height, width] = geometry.photo;
  const [rows, columns] = geometry.detail;
  const jpeg = geometry.jpeg_quality ? t`a JPEG of ` : "";
  const same = columns === photo.width && rows === photo.height && !jpeg;
  const detail = same ? "" : t` with the detail of ${jpeg}${columns} × ${rows},`;
  const pixels = t`saw ${photo.width} × ${photo.height} pixels${detail} of a photo of ${width} × ${height}`;
  return el(
    "header",
    { class: "av-title" },
    el(letter === "B: " ? "h2" : "h1", { class: "av-title__name" }, letter + model.name),
    el("p", { class: "av-meta" }, [model.architecture, model.sha256 ? t`weights ${model.sha256.slice(0, 12)}` : t`weights without a file`, pixels].join(" · ")),
  );
}

/** Tabs over the views that the data has; each is made when first shown. */
function tabs(views, context, shown, onView) {
  if (views.length === 1) return views[0].make();
  const items = views.map(({ name, label }) => ({ name, label, id: `${context.id}-tab-${name}`, panel: `${context.id}-${name}` }));
  const panels = new Map(items.map(({ name, id, panel }) => [name, el("div", { role: "tabpanel", id: panel, "aria-labelledby": id, hidden: true })]));
  const made = new Set();
  const list = createTablist({
    items,
    className: "av-tabs",
    onOpen(name) {
      onView(name);
      for (const [own, panel] of panels) panel.hidden = own !== name;
      if (made.has(name)) return;
      made.add(name);
      panels.get(name).append(views.find((view) => view.name === name).make());
    },
    signal: context.signal,
  });
  const root = el("div", {}, list.root, el("div", {}, [...panels.values()]));
  context.host.addEventListener("attnviz-site", ({ detail }) => list.open(detail.tab), { signal: context.signal });
  list.open(panels.has(shown) ? shown : views[0].name);
  return root;
}

/** Opacity and interpolation are CSS: they change every picture at once, without drawing. */
function followLooks(element, settings, signal) {
  const apply = () => {
    element.style.setProperty("--av-opacity", String(settings.get("opacity") ?? ""));
    element.dataset.smooth = settings.get("smooth") ? "1" : "0";
  };
  apply();
  settings.subscribe(apply, signal);
}

async function announceReady(element, signal) {
  // One image of each address: many pictures show the same photo, and a browser decodes it for each that is asked.
  const images = [...new Map([...element.querySelectorAll("img")].map((image) => [image.src, image])).values()];
  await Promise.all(images.map((image) => image.decode().catch(() => null)));
  if (!signal.aborted) element.dataset.ready = "1";
}
