// The numbers of a measurement: each with what it is in a line, and what chance or the untouched network gives beside it.

import { el, svg } from "../../../render/viewer/js/dom.js";
import { number, percent } from "../../../render/viewer/js/format.js";
import { t, word } from "../../../render/viewer/js/language.js";

const SHORT = { uniform: t`Even`, centre: t`Centre prior`, shuffled: t`Shuffled weights` };
const AGREES = t`Spearman's rank correlation between two maps, −1 (opposite order) to 1 (the same order); 0 by chance.`;
const JUDGED = [
  ["deletion_area", t`Deletion area`, t`Area under the deletion curve, 0 to 1; lower is better.`],
  ["insertion_area", t`Insertion area`, t`Area under the insertion curve, 0 to 1; higher is better.`],
  ["road", "ROAD", t`Half the mean difference between filling in the least and the most important places, −0.5 to 0.5; 0 by chance, higher is better.`],
  ["infidelity", t`Infidelity`, t`How badly the map tells the fall of the logit when a square is covered, in logits squared, 0 and up; lower is better.`],
  ["sensitivity", t`Sensitivity`, t`Largest relative change of the map under noise that nobody sees, 0 and up; lower is steadier. A dash: not measured.`],
];
const SMALL = { infidelity: true, sensitivity: true }; // of any order of magnitude
const QUERY = [
  ["gamma", "γ", t`0: the network ignores it`, t`The weight with which the attended features are added.`],
  ["total_variation", t`Total variation between rows`, t`0: all look at the same places`, t`Mean over pairs of queries of half the difference of their rows, 0 to 1 (disjoint).`],
  ["own_class", t`Mass on the own class over its share`, t`1: spread evenly`, t`How much more a place looks at its own predicted class than that class's share of the picture, 0 and up.`],
  ["sink_mass", t`Mass on the strongest 1 %`, t`0.01: even`, t`Share of all attention that the 1 % of the places receive which receive the most, 0 to 1.`],
  ["compactness_before", t`Spread of the features before`, "", t`Variance within the classes over that between them, of what enters the module, 0 and up; smaller is more compact.`],
  ["compactness_after", t`Spread of the features after`, t`that before`, t`The same of what leaves the module.`],
];

const shown = (value) => (value === null || value === undefined ? "–" : number(value));
const fixed = (value) => (value === null || value === undefined ? "–" : value.toFixed(3).replace(/^-(?=.*[1-9])/, "−").replace(/^-/, "")); // columns that line up

/** A table that becomes a list of labelled numbers where it would be too wide. rows: [[title, ...cells]] */
function table(caption, head, rows) {
  const row = ([title, ...cells]) =>
    el("tr", {}, el("th", { scope: "row" }, title), cells.map((cell, i) => el("td", { "data-label": head[i + 1] }, cell)));
  return el(
    "table",
    { class: "page-numbers" },
    el("caption", {}, caption),
    el("thead", {}, el("tr", {}, head.map((text) => el("th", { scope: "col" }, text)))),
    el("tbody", {}, rows.map(row)),
  );
}

const captioned = (title, line) => [el("strong", {}, title), " ", line];
const capital = (text) => text.slice(0, 1).toUpperCase() + text.slice(1);

/** How focused each map is, a table for each measure. */
export function focus({ maps }, measures, baselines) {
  const names = Object.keys(measures).filter((name) => maps.some((map) => name in map.values));
  const beside = Object.keys(baselines).filter((name) => maps.some((map) => name in map.baselines));
  const told = beside.map((name) => t`${SHORT[name] || name}: ${baselines[name]}.`).join(" ");
  const tables = names.map((name) => {
    const rows = maps.map((map) => [map.title, ...[map.values, ...beside.map((b) => map.baselines[b] || {})].map((v) => fixed(v[name]))]);
    const { title, definition } = measures[name];
    return table(captioned(t`${capital(title)}.`, definition), [t`Map`, t`This map`, ...beside.map((b) => SHORT[b] || b)], rows);
  });
  return [el("p", { class: "page-note" }, told), el("div", { class: "page-tables" }, tables)];
}

/** What each intervention changed, as paired bars. */
export function effects({ effects: all, category }) {
  const pixels = category === null;
  const what = pixels ? t`share of the pixels that keep their class, 0 to 100 %` : t`probability of ${category}, 0 to 100 %`;
  const words = t`Above, the untouched network; below, the same network on the same photo with one thing taken from its attention`;
  return [
    el("p", { class: "page-note" }, t`${words}: ${what}. It is never left changed.`),
    el("p", { class: "page-key" }, key("before", t`untouched`), key("after", t`changed`)),
    el("ul", { class: "page-effects" }, all.map((effect) => el("li", {}, effectRow(effect)))),
  ];
}

function key(kind, text) {
  const square = svg("svg", { width: 12, height: 12, "aria-hidden": "true" }, svg("rect", { width: 12, height: 12, "data-bar": kind }));
  return el("span", {}, square, text);
}

function effectRow({ title, moved, top, mean_iou: iou, log_likelihood_change: change, verdict }) {
  const [before, after] = top.length ? [top[0].before, top[0].after] : [1, 1 - moved];
  const more = top.length
    ? t`Log-likelihood of ${top[0].category}: ${change >= 0 ? "+" : ""}${shown(change)} nats.`
    : t`Mean IoU between the classes before and after: ${shown(iou)}, 0 to 1 (nothing changed).`;
  const others = top.flatMap((each) => [el("span", {}, each.category), bars(each.before, each.after)]);
  return [
    el("div", { class: "page-effect" }, el("div", {}, el("strong", {}, title), el("span", {}, t`${capital(verdict)}.`)), bars(before, after)),
    el("details", {}, el("summary", {}, top.length ? t`The five most probable` : t`More`), el("p", { class: "page-note" }, more), el("div", { class: "page-top" }, others)),
  ];
}

function bars(before, after) {
  const bar = (kind, y, share) => svg("rect", { x: 0, y, width: `${Math.max(0.2, 100 * share)}%`, height: 7, "data-bar": kind });
  const picture = svg(
    "svg",
    { class: "page-bars", height: 16, "aria-hidden": "true" },
    svg("rect", { x: 0, y: 0, width: "100%", height: 16, "data-bar": "all" }),
    bar("before", 0, before),
    bar("after", 9, after),
  );
  return el("div", { class: "page-pair-of-bars" }, picture, el("span", {}, `${percent(before)} → ${percent(after)}`));
}

/** The areas and scores of every map that was judged, the attention's first. */
export function judged({ maps, left_out: out }) {
  const rows = maps.map((map) => [map.title, ...JUDGED.map(([name]) => (name in SMALL ? shown : fixed)(map[name]))]);
  const why = Object.entries(out).map(([name, reason]) => el("li", {}, t`${capital(name.replace(/_/g, " "))} was left out: ${reason}.`));
  return [
    table(t`Scores of each map; attributions to the same category and baselines stand below the attention's.`, [t`Map`, ...JUDGED.map(([, title]) => title)], rows),
    el("ul", { class: "page-definitions" }, JUDGED.map(([, title, line]) => el("li", {}, captioned(t`${title}.`, line))), why),
  ];
}

/** How the order of the attention's maps agrees with that of the others. */
export function agreement({ maps }) {
  const attention = maps.filter(({ role }) => role === "attention");
  const others = maps.filter(({ role }) => role !== "attention");
  if (!attention.length || !others.length) return [];
  const rows = attention.map((map) => [map.title, ...others.map(({ label }) => fixed(map.agreement[label]))]);
  return [table(captioned(t`Rank agreement.`, AGREES), [t`Map`, ...others.map(({ title }) => title)], rows)];
}

/** Whether each position attention looks elsewhere for another query. */
export function positions(all) {
  const tables = all.map((one) => {
    const rows = QUERY.filter(([name]) => one[name] !== null).map(([name, title, chance]) => [title, shown(one[name]), chance]);
    return table(captioned(t`${word(capital(one.label))}.`, one.verdict), [t`Number`, t`This photo`, t`To compare`], rows);
  });
  const lines = QUERY.map(([, title, , line]) => el("li", {}, captioned(t`${title}.`, line)));
  return [el("div", { class: "page-tables" }, tables), el("ul", { class: "page-definitions" }, lines)];
}
