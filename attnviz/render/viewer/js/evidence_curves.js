// Deletion, insertion and ROAD as curves: the attention's maps beside attributions and baselines.

import { el, svg } from "./dom.js";
import { number, percent } from "./format.js";
import { t } from "./language.js";

const WIDTH = 320;
const HEIGHT = 200;
const EDGE = { left: 34, right: 8, top: 8, bottom: 24 };
const DASHES = ["", "6 4", "2 3", "8 3 2 3"];
const STEPS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 };

/** Three charts under one legend, whose buttons choose the map that is drawn strong and read out. */
export function curves(found, category) {
  const series = styled(found.maps);
  const best = found.maps.filter(({ role }) => role === "attention").sort((a, b) => b.road - a.road)[0] || found.maps[0];
  const charts = [
    chart(t`Deletion`, t`lower is better`, t`Probability of ${category} while the places that a map calls important become the mean colour: it should fall fast.`, found.shares, series, ({ deletion }) => deletion, [0, 1]),
    chart(t`Insertion`, t`higher is better`, t`The same while those places become sharp in a blurred picture: it should rise fast.`, found.shares, series, ({ insertion }) => insertion, [0, 1]),
    chart("ROAD", t`above 0 is better`, t`The same with the least important places filled in from around them, less that with the most important.`, found.road_shares, series, difference, around(found.maps)),
  ];
  const host = el("div", { class: "av-curves" });
  const choose = (label) => {
    for (const button of host.querySelectorAll("[data-map]")) button.setAttribute("aria-pressed", String(button.dataset.map === label));
    for (const one of charts) one.choose(label);
  };
  const legend = series.map((line) => {
    const button = el("button", { type: "button", "data-map": line.label }, sample(line), line.title);
    button.addEventListener("click", () => choose(line.label));
    return button;
  });
  host.append(
    el("div", { class: "av-curves__charts" }, charts.map(({ node }) => node)),
    el("div", { class: "av-curves__legend", role: "group", "aria-label": t`Map to read` }, legend),
  );
  choose(best.label);
  return host;
}

const difference = (map) => map.road_least.map((least, i) => least - map.road_most[i]);

// From minus to plus the largest difference, in steps of a tenth.
function around(maps) {
  const most = Math.max(0.1, ...maps.flatMap(difference).map(Math.abs));
  const end = Math.ceil(10 * most - 1e-9) / 10;
  return [-end, end];
}

// A colour for each role, a dash for each map of it.
function styled(maps) {
  const seen = {};
  return maps.map((map) => {
    seen[map.role] = (seen[map.role] ?? -1) + 1;
    return { ...map, dash: DASHES[seen[map.role] % DASHES.length] };
  });
}

function sample({ role, dash }) {
  const line = svg("line", { x1: 0, y1: 6, x2: 28, y2: 6, "stroke-dasharray": dash || null, "data-role": role });
  return svg("svg", { width: 28, height: 12, "aria-hidden": "true" }, line);
}

/** One chart; its pointer and arrow keys read the curves at a share. */
function chart(title, better, line, shares, series, valuesOf, [low, high]) {
  const x = (share) => EDGE.left + (WIDTH - EDGE.left - EDGE.right) * share;
  const y = (value) => EDGE.top + (HEIGHT - EDGE.top - EDGE.bottom) * (1 - (value - low) / (high - low));
  const lines = series.map((one) => {
    const points = valuesOf(one).map((value, i) => `${x(shares[i]).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
    return svg("polyline", { points, "data-role": one.role, "data-line": one.label, "stroke-dasharray": one.dash || null });
  });
  const cursor = svg("line", { class: "av-chart__cursor", y1: EDGE.top, y2: HEIGHT - EDGE.bottom });
  const picture = svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "av-chart", tabindex: 0, role: "slider", "aria-label": t`${title}, share of the pixels`, "aria-valuemin": 0, "aria-valuemax": 100 },
    axes(x, y, [low, (low + high) / 2, high]),
    lines,
    cursor,
  );
  const readout = el("p", { class: "av-chart__readout" });
  let at = Math.floor(shares.length / 3);
  let chosen = series[0];

  function tell() {
    const words = t`At ${percent(shares[at])} of the pixels: ${chosen.title} ${number(valuesOf(chosen)[at])}`;
    const chance = series.filter((one) => one.role === "baseline" && one !== chosen).map((one) => `${one.title} ${number(valuesOf(one)[at])}`);
    readout.textContent = t`${words}${chance.length ? t`; ${chance.join(t`, `)}` : ""}.`;
    cursor.setAttribute("x1", x(shares[at]));
    cursor.setAttribute("x2", x(shares[at]));
    picture.setAttribute("aria-valuenow", Math.round(100 * shares[at]));
    picture.setAttribute("aria-valuetext", readout.textContent);
  }
  function move(next) {
    at = Math.min(shares.length - 1, Math.max(0, next));
    tell();
  }
  picture.addEventListener("pointermove", (event) => {
    const box = picture.getBoundingClientRect();
    const share = (((event.clientX - box.left) / box.width) * WIDTH - EDGE.left) / (WIDTH - EDGE.left - EDGE.right);
    const distances = shares.map((each) => Math.abs(each - share));
    move(distances.indexOf(Math.min(...distances)));
  });
  picture.addEventListener("keydown", (event) => {
    const ends = { Home: 0, End: shares.length - 1 };
    if (!(event.key in STEPS) && !(event.key in ends)) return;
    event.preventDefault();
    move(event.key in ends ? ends[event.key] : at + STEPS[event.key]);
  });
  const caption = el("figcaption", {}, el("strong", {}, t`${title}: ${better}.`), " ", line);
  return {
    node: el("figure", {}, caption, picture, readout),
    choose(label) {
      chosen = series.find((one) => one.label === label);
      for (const one of lines) one.dataset.chosen = String(one.dataset.line === label);
      picture.insertBefore(lines[series.indexOf(chosen)], cursor); // on top of the others
      tell();
    },
  };
}

function axes(x, y, values) {
  const across = values.map((value) => [
    svg("line", { class: "av-chart__grid", x1: x(0), x2: x(1), y1: y(value), y2: y(value) }),
    svg("text", { x: x(0) - 5, y: y(value) + 4, "text-anchor": "end" }, number(value)),
  ]);
  const below = [0, 0.5, 1].map((share) => svg("text", { x: x(share), y: HEIGHT - 8, "text-anchor": ["start", "middle", "end"][2 * share] }, percent(share)));
  return [across.flat(), below].flat();
}
