// Every site of a network in one list with a search, for networks with hundreds; one that is chosen opens where it is shown.

import { el, freshId } from "./dom.js";
import { range } from "./format.js";
import { t } from "./language.js";

const MOST_ROWS = 400;
const KINDS = {
  spatial_gate: t`Spatial gate`,
  channel_gate: t`Channel gate`,
  group_gate: t`Group gate`,
  gate: t`Gate`,
  effective_gain: t`Effective gain`,
  spatial_logit: t`Spatial logit`,
  position: t`Position attention`,
  cross: t`Cross attention`,
};

/** Every site: [{label, view, kind, size, stride, values}], in words, in the order of their labels. */
export function everySite(data) {
  const maps = [...data.maps.values()].filter(({ kind }) => kind !== "position_received").map((map) => ({
    label: map.label,
    view: "stages",
    kind: KINDS[map.kind] || map.kind.replaceAll("_", " "),
    size: `${map.grid[0]} × ${map.grid[1]}`,
    stride: map.stride,
    values: range(map.extent.low, map.extent.high, map.unit),
  }));
  const gates = data.channelGates.map((gate) => ({
    label: gate.label,
    view: "channel",
    kind: KINDS.channel_gate,
    size: t`${gate.count} channels`,
    stride: gate.stride,
    values: range(gate.extent.low, gate.extent.high, "gate"),
  }));
  const attentions = data.positions.filter(({ kind }) => kind !== "rollout").map((position) => ({
    label: position.label,
    view: "position",
    kind: KINDS.position,
    size: `${position.grid[0]} × ${position.grid[1]}${position.heads > 1 ? t`, ${position.heads} heads` : ""}`,
    stride: position.stride,
    values: "",
  }));
  const crossing = data.cross.map((position) => ({
    label: position.label,
    view: "cross",
    kind: KINDS.cross,
    size: t`${position.queries[0] * position.queries[1]} queries, ${position.grid[0]} × ${position.grid[1]}`,
    stride: position.stride,
    values: "",
  }));
  return [...maps, ...gates, ...attentions, ...crossing].sort((a, b) => a.label.localeCompare(b.label, "en", { numeric: true }));
}

/** Those in which every word of a search occurs, in label, kind or size; "stride 16" is one word. */
export function matching(sites, search) {
  const words = search.toLowerCase().match(/stride \d+(?!\S)|\S+/g) || [];
  if (!words.length) return sites;
  return sites.filter(({ label, kind, size, stride }) => {
    const text = `${label} ${kind} ${size} stride`.toLowerCase();
    return words.every((word) => (word.startsWith("stride ") ? word === `stride ${stride}` : text.includes(word)));
  });
}

/** The view; returns its root. */
export function sitesView({ data, settings, tell, letter, signal }) {
  const sites = everySite(data);
  const id = freshId("search");
  const input = el("input", { id, type: "search", class: "av-search", placeholder: "layer3 spatial", autocomplete: "off", spellcheck: "false" });
  const count = el("p", { class: "av-meta", role: "status" });
  const body = el("tbody");
  const open = ({ view, label }) => {
    const kept = { position: "attention", cross: "cross_attention" }[view];
    if (kept) settings.set(kept, label); // its view may not be there yet
    settings.set("site", label);
    tell("attnviz-site", { view, tab: `${view}${letter || ""}`, label });
  };
  const draw = () => {
    const found = matching(sites, input.value);
    const shown = found.slice(0, MOST_ROWS);
    const more = found.length > shown.length ? t` The first ${shown.length} are listed: search for the others.` : "";
    count.textContent = t`${found.length} of ${sites.length} sites.${more}`;
    body.replaceChildren(...shown.map((site) => siteRow(site, open, signal)));
  };
  input.addEventListener("input", draw, { signal });
  draw();
  const titles = [t`Site`, t`What it is`, t`Size`, t`Stride`, t`Values`];
  const head = el("thead", {}, el("tr", {}, titles.map((title) => el("th", { scope: "col" }, title))));
  return el(
    "div",
    { class: "av-view av-view--sites" },
    el("div", { class: "av-toolbar" }, el("div", { class: "av-control" }, el("label", { for: id, class: "av-label" }, t`Search`), input)),
    count,
    el("table", { class: "av-sites" }, head, body),
  );
}

function siteRow(site, open, signal) {
  const link = el("button", { type: "button", class: "av-sites__open" }, site.label);
  link.addEventListener("click", () => open(site), { signal });
  const cells = [site.kind, site.size, String(site.stride), site.values].map((text) => el("td", {}, text));
  return el("tr", {}, el("th", { scope: "row" }, link), cells);
}
