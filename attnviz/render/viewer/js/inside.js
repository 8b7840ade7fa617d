// Inside the module: the photo goes through it step by step; a location is followed through every tensor.

import { createAppearance } from "./appearance.js";
import { arrow, neighbour } from "./cells.js";
import { chooser } from "./controls.js";
import { el, oncePerFrame } from "./dom.js";
import { createStepCard } from "./inside_card.js";
import { fieldBox, placeInside, seenBy } from "./inside_data.js";
import { createGroups } from "./inside_groups.js";
import { createVectors } from "./inside_vectors.js";
import { fieldSentence, INSIDE_HELP, moduleSentence, weightSentence } from "./inside_wording.js";
import { t } from "./language.js";
import { cellAt, createPicture, placeBox } from "./picture.js";
import { moved } from "./query.js";
import { createAnnouncer } from "./readout.js";
import { readPosition } from "./softmax.js";

const LEAP = 8;
const BRANCHES = { channel: t`Which channels`, spatial: t`Which places` };

/** The view; returns its root. */
export function insideView(context) {
  const { data, settings, signal } = context;
  const box = el("div", { class: "av-inside" });
  const options = data.modules.map(({ label, module }) => ({ value: label, label: `${label} · ${module}` }));
  const known = (label) => data.modules.find((module) => module.label === label || String(label).startsWith(`${module.label}.`));
  let shown = null; // the module on the screen: {place, end}
  const show = (module) => {
    const from = shown && shown.place;
    if (shown) shown.end();
    shown = drawModule(context, module, from, box, () => show(module));
  };
  const first = known(settings.get("site")) || known(data.first_position) || data.modules.at(-1);
  const list = chooser({ label: t`Module`, options, value: first.label, onChange: (label) => show(known(label)), signal });
  settings.subscribe((name, value) => {
    if (name !== "site" || !known(value)) return;
    list.set(known(value).label);
    show(known(value));
  }, signal);
  show(first);
  const choice = data.modules.length > 1 ? el("div", { class: "av-toolbar" }, list.root) : null;
  const located = data.modules.flatMap((module) => module.steps.map((step) => ({ sees: seenBy(step, module, data) })));
  return el("div", { class: "av-view av-view--inside" }, createAppearance(context, [], "", located), choice, box);
}

/** Fills the box with one module; `end` stops it from answering, `from` is the place that was followed before. */
function drawModule(context, module, from, box, again) {
  const life = new AbortController();
  context.signal.addEventListener("abort", () => life.abort(), { once: true, signal: life.signal });
  const position = positionOf(context, module, () => !life.signal.aborted && again());
  const place = createPlace(module.grid || [1, 1], from, life.signal);
  const inner = { ...context, signal: life.signal, module, position, place, channel: "all" };
  inner.groups = module.module === "SGE" ? createGroups(inner, () => draw()) : null;
  const photo = createPhoto(inner);
  const cards = module.steps.map((step) => createStepCard(inner, step, () => photo.show(step)));
  const vectors = position && position.vectors ? createVectors(inner, position) : null;
  const draw = () => {
    photo.draw();
    cards.forEach((card) => card.draw(inner.channel));
    if (vectors) vectors.draw();
    if (inner.groups) inner.groups.draw();
  };
  place.onChange(draw);
  context.settings.subscribe((name) => ["colormap", "cells"].includes(name) && draw(), life.signal);
  photo.show(module.steps.findLast((step) => step.sees && !step.summary) || module.steps.find((step) => step.sees) || module.steps[0]);
  const channels = channelChoice(inner, (value) => {
    inner.channel = value;
    draw();
  });
  const weight = module.gamma === null ? null : el("p", { class: "av-gamma" }, weightSentence(module.gamma));
  const side = el("div", { class: "av-split__side" }, el("p", { class: "av-gamma" }, moduleSentence(module.module)), weight, photo.side, channels, vectors && vectors.root);
  box.replaceChildren(el("div", { class: "av-split" }, photo.root, side), ...flow(module, cards), ...(inner.groups ? [inner.groups.root] : []));
  draw();
  return { place, end: () => life.abort() };
}

/** The position attention of a module, null where it has none; one that the page has yet to send is drawn `then`. */
function positionOf({ data, load }, { label }, then) {
  const at = data.positions.findIndex((position) => position.label === label);
  if (at < 0) return null;
  if (data.positions[at].ready) return data.positions[at];
  const put = (sent) => {
    data.positions[at] = readPosition(sent);
    then();
  };
  load(data.id, label).then(put, () => null); // without it the pictures of rows stay empty
  return null;
}

/** The cards in the order of computing: two branches side by side, what is before and after them across. */
function flow(module, cards) {
  const rows = [];
  const branches = new Set(module.steps.map((step) => step.branch).filter(Boolean));
  const sections = {};
  module.steps.forEach((step, i) => {
    const name = branches.size > 1 ? step.branch : "";
    if (name) {
      if (!sections[name]) {
        sections[name] = el("section", { class: "av-steps av-steps--branch", "aria-label": BRANCHES[name] }, el("h2", { class: "av-heading" }, BRANCHES[name]));
        if (!rows.at(-1).classList.contains("av-branches")) rows.push(el("div", { class: "av-branches" }));
        rows.at(-1).append(sections[name]);
      }
      sections[name].append(cards[i].root);
      return;
    }
    if (!rows.length || rows.at(-1).classList.contains("av-branches")) rows.push(el("div", { class: "av-steps" }));
    rows.at(-1).append(cards[i].root);
  });
  return rows;
}

/** Which channel the pictures of features and gates show; null where there is no choice. */
function channelChoice({ module, signal }, onChange) {
  const step = module.steps.find(({ kind, channels }) => kind === "features" && channels.length);
  if (!step) return null;
  const each = step.channels.map((channel) => ({ value: String(channel), label: t`Channel ${channel}` }));
  const options = [{ value: "all", label: t`All channels` }, { group: t`The strongest that come in`, options: each }];
  return chooser({ label: t`Features and gates of`, options, value: "all", onChange, signal }).root;
}

/** The location that is followed and the one that is kept, as cells of a grid. */
function createPlace(grid, from, signal) {
  const start = from ? moved(from.at, from.grid, grid) : [grid[0] >> 1, grid[1] >> 1];
  let changed = () => {};
  const place = {
    grid,
    cell: start[0] * grid[1] + start[1],
    kept: -1,
    get at() { return [Math.floor(place.cell / grid[1]), place.cell % grid[1]]; },
    onChange(draw) { changed = oncePerFrame(draw, signal); },
    moveTo(cell) {
      if (cell < 0 || cell === place.cell) return;
      place.cell = cell;
      changed();
    },
    step(down, across) {
      place.moveTo(neighbour(place.cell, grid, down, across));
    },
    keep(cell) {
      place.kept = cell;
      changed();
    },
    /** Pointer and keys on a picture; `cells()` is where its cells lie, as in cells.js. */
    listen(node, cells) {
      const under = (event) => cellAt(event, node, grid, cells());
      const look = (event) => place.moveTo(under(event));
      node.addEventListener("pointermove", look, { signal });
      node.addEventListener("pointerdown", look, { signal });
      node.addEventListener("click", (event) => place.keep(under(event)), { signal });
      node.addEventListener("keydown", (event) => onKey(event, place) && event.preventDefault(), { signal });
    },
  };
  return place;
}

function onKey({ key, shiftKey, ctrlKey, metaKey, altKey }, place) {
  if (ctrlKey || metaKey || altKey) return false;
  const far = shiftKey ? LEAP : 1;
  const step = arrow(key);
  if (step) place.step(far * step[0], far * step[1]);
  else if (key === "Enter" || key === " ") place.keep(place.cell);
  else if (key === "Delete" || key === "Backspace") place.keep(-1);
  else return false;
  return true;
}

/** The photo with the followed cell, the kept one, and what the cell of the chosen step sees. */
function createPhoto(context) {
  const { data, id, module, place, signal } = context;
  const picture = createPicture(data.view, "");
  const [cursor, kept, field] = ["av-cursor", "av-cursor av-cursor--kept", "av-field"].map((name) => el("span", { class: name, "aria-hidden": "true" }));
  const help = el("p", { class: "av-help", id: `${id}-inside-help` }, INSIDE_HELP);
  const line = el("p", { class: "av-readout__line" });
  const announcer = createAnnouncer(signal);
  const node = picture.root;
  node.append(field, kept, cursor);
  node.classList.add("av-picture--large", "av-picture--followed");
  const roles = { role: "application", tabindex: "0", "aria-label": t`Photo: choose a location to follow through the module`, "aria-describedby": help.id };
  for (const [name, value] of Object.entries(roles)) node.setAttribute(name, value);
  let step = module.steps[0];
  const cells = () => placeInside(step, context);
  if (module.grid) place.listen(node, cells);
  const draw = () => {
    placeBox(cursor, place.grid, place.cell, cells());
    kept.hidden = place.kept < 0;
    if (!kept.hidden) placeBox(kept, place.grid, place.kept, cells());
    field.hidden = !step.sees;
    const box = step.sees ? fieldBox(step.sees, data.geometry.network, place.at) : null;
    if (box) Object.assign(field.style, { left: `${100 * box.left}%`, top: `${100 * box.top}%`, width: `${100 * (box.right - box.left)}%`, height: `${100 * (box.bottom - box.top)}%` });
    line.textContent = fieldSentence(step, place.at, box);
    announcer.say(line.textContent);
  };
  return {
    root: el("div", { class: "av-split__main" }, node, help),
    side: el("section", { class: "av-readout", "aria-label": t`What the followed location sees` }, line, announcer.root),
    draw,
    /** Draws what the cells of a step see. */
    show(next) {
      step = next;
      draw();
    },
  };
}
