// Two models, two photos or two stages: side by side, under one wipe handle, or as a difference.

import { createAppearance } from "./appearance.js";
import { placed } from "./cells.js";
import { chooser, segmented, slider } from "./controls.js";
import { difference, differenceUnit, sameShape, whyNot } from "./difference.js";
import { el, oncePerFrame } from "./dom.js";
import { paintMap } from "./draw.js";
import { percent, range, rawLine, withUnit } from "./format.js";
import { t } from "./language.js";
import { PAINT_SETTINGS, familyOf, mapScale } from "./map_scale.js";
import { createBar, createPicture } from "./picture.js";
import { createCross, steppedPoint } from "./probe.js";
import { createAnnouncer } from "./readout.js";
import { symmetric, valueAt } from "./scale.js";
import { acrossPhotos, firstChoices, sidesOf } from "./sides.js";
import { Zoom } from "./zoom.js";

const SCALINGS = [
  { value: "each", label: t`Each`, title: t`Each side's own range` },
  { value: "shared", label: t`Shared`, title: t`One range for both sides, where they show the same quantity` },
];
const LAYOUTS = [
  { value: "beside", label: t`Side by side` },
  { value: "wipe", label: t`Wipe` },
  { value: "difference", label: t`Difference` },
];

/** The view of {left, right} data; returns its root. */
export function compareView(context) {
  const { settings, signal } = context;
  const model = createModel(context);
  const zoom = new Zoom(signal);
  const sides = ["A", "B"].map((name, i) => createSide(context, model, name, i, zoom));
  const apart = createDifference(context, model, zoom);
  const stage = el("div", { class: "av-compare" }, sides.map((s) => s.root), apart.root);
  stage.style.setProperty("--av-aspect", String(context.data.photo.width / context.data.photo.height));
  const wipe = createWipe(signal, stage);
  const refusal = el("p", { class: "av-empty", role: "status" });
  const readout = createReadout(signal);
  const lay = () => {
    const shapes = sides.map((s) => s.data.photo.width / s.data.photo.height);
    const why = model.layout === "wipe" && !sameShape(...shapes) ? t`The two photos have different shapes: a wipe would lay different places over each other.` : model.layout === "difference" ? whyNot(...model.maps()) : "";
    refusal.textContent = why;
    refusal.hidden = !why;
    stage.dataset.layout = why ? "beside" : model.layout;
    wipe.root.hidden = stage.dataset.layout !== "wipe";
    apart.root.hidden = stage.dataset.layout !== "difference";
    apart.choice.hidden = apart.root.hidden;
  };
  const looks = createLooks(context, model);
  const draw = () => {
    lay();
    looks.draw();
    sides.forEach((side) => side.draw());
    if (!apart.root.hidden) apart.draw();
    readout.draw(model);
  };
  model.onChange = oncePerFrame(draw, signal);
  settings.subscribe((name) => [...PAINT_SETTINGS, "diverging"].includes(name) && model.onChange(), signal);
  draw();
  const layout = segmented({ label: t`Layout`, options: LAYOUTS, value: model.layout, onChange: (value) => { model.layout = value; model.onChange(); }, signal });
  return el(
    "div",
    { class: "av-view av-view--compare" },
    looks.root,
    el("div", { class: "av-toolbar" }, layout.root, el("div", { class: "av-control" }, el("span", { class: "av-label" }, t`Zoom`), zoom.controls), wipe.root, apart.choice),
    refusal,
    stage,
    readout.root,
  );
}

/** The controls for looks: those of position attention where side A shows it, else those of other maps. */
function createLooks(context, model) {
  const root = el("div");
  let family = "";
  let life = null;
  return {
    root,
    draw() {
      const wanted = familyOf(model.chosen[0].quantity);
      if (wanted === family) return;
      family = wanted;
      if (life) life.abort();
      life = new AbortController();
      context.signal.addEventListener("abort", () => life.abort(), { once: true, signal: life.signal });
      root.replaceChildren(createAppearance({ ...context, signal: life.signal }, SCALINGS, family));
    },
  };
}

/** What is chosen on each side, and where the linked pointer is, as a point of the left picture's unit square. */
function createModel({ data, right, settings }) {
  const datas = [data, right || data];
  const lists = [sidesOf(data), right ? sidesOf(right) : null];
  lists[1] = lists[1] || lists[0];
  const chosen = firstChoices(...lists);
  const model = {
    datas,
    lists,
    chosen,
    heads: ["mean", "mean"],
    layout: "beside",
    at: [0.5, 0.5],
    pointed: false,
    onChange: () => {},
    /** The point on a side's own picture. */
    pointOn: (i) => (i === 0 ? model.at : acrossPhotos(datas[0].geometry, datas[1].geometry, ...model.at)),
    maps: () => model.chosen.map((side, i) => {
      const map = placed(side.map(...model.pointOn(i), model.heads[i]), settings, datas[i].geometry);
      return side.live && model.chosen[0] === model.chosen[1] ? { ...map, values: map.values.slice() } : map;
    }),
    /** Moves the pointer to a point of one side's picture. */
    moveTo(i, u, v) {
      const clamp = (x) => Math.min(Math.max(x, 0), 1 - 1e-9);
      const [a, b] = i === 0 ? [u, v] : acrossPhotos(datas[1].geometry, datas[0].geometry, u, v);
      model.at = [clamp(a), clamp(b)];
      model.pointed = true;
      model.onChange();
    },
  };
  return model;
}

/** The heads of what a side shows, to choose from; nothing where there is one. */
function headList({ heads = 1 }, name, onChange, signal) {
  if (heads < 2) return [];
  const each = Array.from({ length: heads }, (_, n) => ({ value: String(n), label: t`Head ${n}` }));
  return [chooser({ label: t`${name}: head`, options: [{ value: "mean", label: t`Mean of ${heads} heads` }, ...each], value: "mean", onChange, signal }).root];
}

function createSide(context, model, name, index, zoom) {
  const { settings, signal } = context;
  const data = model.datas[index];
  const picture = createPicture(data.view, t`${name}: photo with the chosen map over it`);
  const canvas = picture.layer();
  const cross = createCross();
  picture.root.append(cross.root);
  const bar = createBar();
  const note = el("p", { class: "av-panel__note" });
  const choice = chooser({
    label: `${name}: ${data.model.name}`,
    options: model.lists[index].map(({ value, label }) => ({ value, label })),
    value: model.chosen[index].value,
    onChange: (value) => choose(model.lists[index].find((s) => s.value === value)),
    signal,
  });
  const heads = el("div", { class: "av-heads" });
  const drawHeads = () => heads.replaceChildren(...headList(model.chosen[index], name, (head) => { model.heads[index] = head; model.onChange(); }, signal));
  choice.root.append(heads);
  drawHeads();
  const choose = async (side) => {
    if (!side.ready && side.fetched) {
      note.textContent = t`Fetching ${side.label} …`;
      try {
        await side.fetched(context.load);
      } catch (error) {
        note.textContent = t`${side.label} cannot be had: ${error.message}`;
        return;
      }
      if (signal.aborted || choice.input.value !== side.value) return;
    }
    model.chosen[index] = side;
    model.heads[index] = "mean";
    drawHeads();
    model.onChange();
  };
  const frame = zoom.frame(picture.root);
  listen(picture.root, frame, model, index, zoom, signal, name);
  return {
    data,
    root: el("div", { class: "av-side", "data-side": name }, choice.root, frame, bar.root, note),
    draw() {
      const maps = model.maps();
      const map = maps[index];
      const peers = maps[0].quantity === maps[1].quantity ? maps : [map];
      const scale = mapScale(map, peers, settings, settings.get("scaling") === "shared" ? "shared" : "each");
      const table = context.colormaps.get(settings.get("colormap")).table;
      paintMap(canvas, map.values, map.grid, scale, table, map.place);
      bar.paint(scale, table, map.unit);
      note.textContent = t`${map.grid[0]} × ${map.grid[1]} locations · ${rawLine(map)}`;
      const point = model.pointed ? model.pointOn(index) : null;
      cross.place(point);
      bar.mark(point && inside(point) ? valueAt(map, ...point) : null, scale);
    },
  };
}

/** Pointer and keys on one picture; both pictures answer. */
function listen(node, frame, model, index, zoom, signal, name) {
  frame.tabIndex = 0;
  frame.setAttribute("role", "application");
  frame.setAttribute("aria-label", t`Picture ${name}: arrow keys move the linked pointer, plus and minus zoom, 0 shows the whole`);
  const look = (event) => {
    if (event.type === "pointermove" && event.buttons !== 0 && zoom.enlarged) return;
    const box = node.getBoundingClientRect();
    model.moveTo(index, (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  };
  node.addEventListener("pointermove", look, { signal });
  node.addEventListener("pointerdown", look, { signal });
  frame.addEventListener("keydown", (event) => {
    const next = steppedPoint(model.pointOn(index), event.key, event.shiftKey);
    if (next) {
      model.moveTo(index, ...next);
      zoom.reveal(...model.pointOn(index));
    } else if (!zoom.onKey(event.key)) return;
    event.preventDefault();
  }, { signal });
}

/** The wipe: a labelled slider for keys, and a handle on the picture for the pointer. */
function createWipe(signal, stage) {
  const place = (value) => stage.style.setProperty("--av-wipe", `${100 * value}%`);
  const control = slider({ label: t`Wipe: share of A`, min: 0, max: 1, step: 0.01, value: 0.5, words: percent, onInput: place, signal });
  const handle = el("span", { class: "av-wipe__handle" });
  const overlay = el("div", { class: "av-wipe", "aria-hidden": "true" }, handle);
  const drag = (event) => {
    const box = overlay.getBoundingClientRect();
    const value = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
    control.set(value);
    place(value);
  };
  handle.addEventListener("pointerdown", (event) => {
    handle.setPointerCapture(event.pointerId);
    event.preventDefault();
  }, { signal });
  handle.addEventListener("pointermove", (event) => handle.hasPointerCapture(event.pointerId) && drag(event), { signal });
  place(0.5);
  control.root.classList.add("av-slider--wide");
  stage.append(overlay);
  return control;
}

function createDifference(context, model, zoom) {
  const { settings, colormaps, signal } = context;
  const picture = createPicture(model.datas[0].view, t`The difference of the two maps over photo A`);
  const canvas = picture.layer();
  const bar = createBar();
  const note = el("p", { class: "av-panel__note" });
  const diverging = [...colormaps.values()].filter((p) => p.kind === "diverging");
  const choice = chooser({
    label: t`Colours of the difference`,
    options: diverging.map((p) => ({ value: p.name, label: p.name })),
    value: settings.get("diverging"),
    onChange: (value) => settings.set("diverging", value),
    signal,
  }).root;
  const root = el("div", { class: "av-side av-side--difference" }, el("p", { class: "av-panel__title" }, "B − A"), zoom.frame(picture.root), bar.root, note);
  return {
    root,
    choice,
    draw() {
      const [a, b] = model.maps();
      const result = difference(a, b);
      const scale = symmetric(result.extent);
      const table = colormaps.get(settings.get("diverging")).table;
      paintMap(canvas, result.values, result.grid, scale, table, result.place);
      bar.paint(scale, table, result.unit);
      note.textContent = notes(a, b, result, model.datas).join(" ");
    },
  };
}

function notes(a, b, result, datas) {
  const list = [t`Zero is in the middle. Raw range ${range(result.extent.low, result.extent.high, result.unit)}.`];
  if (a.grid[0] !== b.grid[0] || a.grid[1] !== b.grid[1]) list.push(t`The grids differ: the coarser map's cells are repeated.`);
  if (datas[0].photo_id !== datas[1].photo_id) list.push(t`The photos differ: this compares places, not objects.`);
  return list;
}

function inside(point) {
  return point.every((x) => x >= 0 && x <= 1);
}

function createReadout(signal) {
  const line = el("p", { class: "av-readout__line" }, t`Move the pointer over a picture to read both values.`);
  const announcer = createAnnouncer(signal);
  return {
    root: el("div", { class: "av-readout av-readout--low" }, line, announcer.root),
    draw(model) {
      if (!model.pointed) return;
      const maps = model.maps();
      const values = maps.map((map, i) => {
        const point = model.pointOn(i);
        return inside(point) ? valueAt(map, ...point) : NaN;
      });
      const said = values.map((v, i) => `${"AB"[i]}: ${Number.isNaN(v) ? t`outside what the network saw` : withUnit(v, maps[i].unit)}`);
      const comparable = !whyNot(...maps) && values.every((v) => !Number.isNaN(v));
      line.textContent = [...said, comparable ? `B − A: ${withUnit(values[1] - values[0], differenceUnit(maps[1].unit))}` : ""].filter(Boolean).join(" · ");
      announcer.say(line.textContent);
    },
  };
}
