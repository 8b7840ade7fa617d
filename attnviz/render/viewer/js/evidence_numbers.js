// The numbers of a measurement: each with what it is in a line, and what chance or the untouched network gives beside it.

import { el, svg } from "./dom.js";
import { number, percent } from "./format.js";
import { t, word } from "./language.js";

const SHORT = { uniform: t`Even`, centre: t`Centre prior`, shuffled: t`Shuffled weights` };
const JUDGED = ["deletion_area", "insertion_area", "road", "infidelity", "sensitivity"];
const SMALL = { infidelity: true, sensitivity: true }; // of any order of magnitude
const QUERY = ["gamma", "total_variation", "own_class", "sink_mass", "compactness_before", "compactness_after"];

const shown = (value) => (value === null || value === undefined ? "–" : number(value));
const fixed = (value) => (value === null || value === undefined ? "–" : value.toFixed(3).replace(/^-(?=.*[1-9])/, "−").replace(/^-/, "")); // columns that line up

/** A table that becomes a list of labelled numbers where it would be too wide. rows: [[title, ...cells]] */
function table(caption, head, rows) {
  const row = ([title, ...cells]) =>
    el("tr", {}, el("th", { scope: "row" }, title), cells.map((cell, i) => el("td", { "data-label": head[i + 1] }, cell)));
  return el(
    "table",
    { class: "av-numbers" },
    el("caption", {}, caption),
    el("thead", {}, el("tr", {}, head.map((text) => el("th", { scope: "col" }, text)))),
    el("tbody", {}, rows.map(row)),
  );
}

const captioned = (title, line) => [el("strong", {}, title), " ", line];
const capital = (text) => text.slice(0, 1).toUpperCase() + text.slice(1);

/** What a number is, as a line: its name with unit or range, the definition, what to compare it with, the source. */
function defined({ title, definition, compare, source }) {
  return captioned(t`${capital(title)}.`, [definition, compare, source === "attnviz" ? "" : t`Source: ${source}.`].filter(Boolean).join(" "));
}

const definitions = (names, measures) => names.map((name) => el("li", {}, defined(measures[name])));

/** How focused each map is, a table for each measure, and what the object is that they were to find. */
export function focus({ focus: { maps }, box, mask }, measures, baselines) {
  const names = Object.keys(measures).filter((name) => maps.some((map) => name in map.values));
  const beside = Object.keys(baselines).filter((name) => maps.some((map) => name in map.baselines));
  const told = beside.map((name) => t`${SHORT[name] || name}: ${baselines[name]}.`).join(" ");
  const tables = names.map((name) => {
    const rows = maps.map((map) => [map.title, ...[map.values, ...beside.map((b) => map.baselines[b] || {})].map((v) => fixed(v[name]))]);
    return table(defined(measures[name]), [t`Map`, t`This map`, ...beside.map((b) => SHORT[b] || b)], rows);
  });
  return [el("p", { class: "av-note" }, told, objectWords(box, mask)), el("div", { class: "av-tables" }, tables)];
}

function objectWords(box, mask) {
  if (box) return t` The object: the box ${box.join(", ")} in photo pixels.`;
  return mask ? t` The object: a mask, ${percent(mask.share)} of the photo.` : "";
}

/** What each intervention changed, as paired bars. */
export function effects({ effects: all, category }, measures) {
  const pixels = category === null;
  const what = pixels ? t`share of the pixels that keep their class, 0 to 100 %` : t`probability of ${category}, 0 to 100 %`;
  const words = t`Above, the untouched network; below, the same network on the same photo with one thing taken from its attention`;
  return [
    el("p", { class: "av-note" }, t`${words}: ${what}. It is never left changed.`),
    el("p", { class: "av-key" }, key("before", t`untouched`), key("after", t`changed`)),
    el("ul", { class: "av-effects" }, all.map((effect) => el("li", {}, effectRow(effect)))),
    el("ul", { class: "av-definitions" }, definitions(pixels ? ["moved", "mean_iou"] : ["moved", "log_likelihood_change"], measures)),
  ];
}

function key(kind, text) {
  const square = svg("svg", { width: 12, height: 12, "aria-hidden": "true" }, svg("rect", { width: 12, height: 12, "data-bar": kind }));
  return el("span", {}, square, text);
}

function effectRow({ title, moved, top, mean_iou: iou, log_likelihood_change: change, verdict }) {
  const [before, after] = top.length ? [top[0].before, top[0].after] : [1, 1 - moved];
  const more = top.length
    ? t`Log-likelihood of ${top[0].category}: ${change !== null && change >= 0 ? "+" : ""}${shown(change)} nats.`
    : t`Mean IoU between the classes before and after: ${shown(iou)}, 0 to 1 (nothing changed).`;
  const others = top.flatMap((each) => [el("span", {}, each.category), bars(each.before, each.after)]);
  return [
    el("div", { class: "av-effect" }, el("div", {}, el("strong", {}, title), el("span", {}, t`${capital(verdict)}.`)), bars(before, after)),
    el("details", {}, el("summary", {}, top.length ? t`The five most probable` : t`More`), el("p", { class: "av-note" }, more), el("div", { class: "av-top" }, others)),
  ];
}

function bars(before, after) {
  const bar = (kind, y, share) => svg("rect", { x: 0, y, width: `${Math.max(0.2, 100 * share)}%`, height: 7, "data-bar": kind });
  const picture = svg(
    "svg",
    { class: "av-bars", height: 16, "aria-hidden": "true" },
    svg("rect", { x: 0, y: 0, width: "100%", height: 16, "data-bar": "all" }),
    bar("before", 0, before),
    bar("after", 9, after),
  );
  return el("div", { class: "av-pair-of-bars" }, picture, el("span", {}, `${percent(before)} → ${percent(after)}`));
}

/** The areas and scores of every map that was judged, the attention's first. */
export function judged({ maps, left_out: out }, measures) {
  const rows = maps.map((map) => [map.title, ...JUDGED.map((name) => (name in SMALL ? shown : fixed)(map[name]))]);
  const why = Object.entries(out).map(([name, reason]) => el("li", {}, t`${capital(name.replace(/_/g, " "))} was left out: ${reason}.`));
  return [
    table(t`Scores of each map; attributions to the same category and baselines stand below the attention's.`, [t`Map`, ...JUDGED.map((name) => capital(measures[name].title))], rows),
    el("ul", { class: "av-definitions" }, definitions(JUDGED, measures), why),
  ];
}

/** How the order of the attention's maps agrees with that of the others. */
export function agreement({ maps }, measures) {
  const attention = maps.filter(({ role }) => role === "attention");
  const others = maps.filter(({ role }) => role !== "attention");
  if (!attention.length || !others.length) return [];
  const rows = attention.map((map) => [map.title, ...others.map(({ label }) => fixed(map.agreement[label]))]);
  return [table(defined(measures.agreement), [t`Map`, ...others.map(({ title }) => title)], rows)];
}

/** Whether each position attention looks elsewhere for another query. */
export function positions(all, measures) {
  const tables = all.map((one) => {
    const rows = QUERY.filter((name) => one[name] !== null).map((name) => [capital(measures[name].title), shown(one[name]), measures[name].compare]);
    return table(captioned(t`${word(capital(one.label))}.`, one.verdict), [t`Number`, t`This photo`, t`To compare`], rows);
  });
  return [el("div", { class: "av-tables" }, tables), el("ul", { class: "av-definitions" }, definitions(QUERY, measures))];
}
