// The row of controls for looks that every view has: opacity, colour map, cells or smooth, scaling.

import { chooser, segmented, slider } from "./controls.js";
import { el } from "./dom.js";
import { percent } from "./format.js";
import { t } from "./language.js";

const CAREFUL = t`Not even in lightness`;
const DRAWINGS = [
  { value: "cells", label: t`Cells`, title: t`One square per location: exactly what was computed` },
  { value: "smooth", label: t`Smooth`, title: t`Interpolated between locations: easier to look at, not more information` },
];
const SPREADS = [
  { value: "linear", label: t`Linear` },
  { value: "percentile", label: t`Percentile` },
  { value: "log", label: t`Log` },
];
const OPACITIES = [
  { value: "even", label: t`Even`, title: t`The same opacity everywhere` },
  { value: "value", label: t`Follows the value`, title: t`Nothing of the map at the low end of the colours, the chosen opacity at the high end` },
];
const CELLS = [
  { value: "tiles", label: t`As tiles`, title: t`Evenly over the picture: which cell is which, and no more` },
  { value: "centers", label: t`Where they look`, title: t`Each around the middle of its receptive field, where that is known` },
];
const SPREAD_TITLE =
  t`Linear; linear from the first to the 99th percentile; or logarithmic, down to a thousandth of the highest value (values below zero stay linear). Key: L`;
const OPACITY_TITLE = t`Key: O`;

/**
 * Controls bound to the settings.
 *
 * @param scalings [{value, label, title}] that this view understands; empty for none.
 * @param family Whose spread and opacity can be chosen, "map" or "attention"; "" for none. Keys L and O go through them.
 * @param located What the view draws in cells, [{sees}]: where that is known of any, the cells can be drawn where they look.
 */
export function createAppearance({ host, data, settings, colormaps, signal }, scalings = [], family = "", located = family ? [...data.maps.values()] : []) {
  const controls = {
    opacity: slider({
      label: t`Map opacity`,
      min: 0,
      max: 1,
      step: 0.05,
      value: settings.get("opacity"),
      words: percent,
      onInput: (value) => settings.set("opacity", value),
      signal,
    }),
    colormap: chooser({
      label: t`Colour map`,
      options: colormapOptions(colormaps),
      value: settings.get("colormap"),
      onChange: (value) => settings.set("colormap", value),
      signal,
    }),
    smooth: segmented({
      label: t`Locations`,
      options: DRAWINGS,
      value: settings.get("smooth") ? "smooth" : "cells",
      onChange: (value) => settings.set("smooth", value === "smooth"),
      signal,
    }),
  };
  if (scalings.length) controls.scaling = scalingChoice(settings, scalings, signal);
  if (family) Object.assign(controls, spreadControls(settings, family, signal));
  if (located.some(({ sees }) => sees)) controls.cells = cellsChoice(settings, signal);
  const warning = el("p", { class: "av-warning", role: "status" });
  const warn = () => {
    const colormap = colormaps.get(settings.get("colormap"));
    warning.textContent = colormap && !colormap.perceptual ? colormap.note : "";
    warning.hidden = !warning.textContent;
  };
  warn();
  settings.subscribe((name, value) => {
    warn();
    if (name in controls) controls[name].set(name === "smooth" ? (value ? "smooth" : "cells") : value); // another view's control
  }, signal);
  const root = el("div", { class: "av-appearance" }, el("div", { class: "av-toolbar" }, Object.values(controls).map((c) => c.root)), warning);
  if (family) listen(host, root, settings, family, signal);
  return root;
}

function cellsChoice(settings, signal) {
  return segmented({ label: t`Cells drawn`, options: CELLS, value: settings.get("cells"), onChange: (value) => settings.set("cells", value), signal });
}

/** By the names of their settings. */
function spreadControls(settings, family, signal) {
  const [spread, opacity] = [`${family}_spread`, `${family}_opacity_by`];
  const scale = chooser({ label: t`Colour scale`, options: SPREADS, value: settings.get(spread), onChange: (value) => settings.set(spread, value), signal });
  const by = segmented({ label: t`Opacity`, options: OPACITIES, value: settings.get(opacity), onChange: (value) => settings.set(opacity, value), signal });
  scale.root.title = SPREAD_TITLE;
  by.root.title = OPACITY_TITLE;
  return { [spread]: scale, [opacity]: by };
}

/** Keys L and O, wherever the focus is in the view but for a list that takes letters itself. */
function listen(host, root, settings, family, signal) {
  const next = (name, options) => {
    const values = options.map((option) => option.value);
    settings.set(name, values[(values.indexOf(settings.get(name)) + 1) % values.length]);
  };
  host.addEventListener("keydown", ({ key, target, ctrlKey, metaKey, altKey }) => {
    const view = target.closest(".av-view");
    if (ctrlKey || metaKey || altKey || !view || !view.contains(root) || target.matches("select, [type=search]")) return;
    if (key.toLowerCase() === "l") next(`${family}_spread`, SPREADS);
    if (key.toLowerCase() === "o") next(`${family}_opacity_by`, OPACITIES);
  }, { signal });
}

function scalingChoice(settings, scalings, signal) {
  const now = settings.get("scaling");
  const value = scalings.some((s) => s.value === now) ? now : scalings[0].value;
  return segmented({ label: t`Colours from`, options: scalings, value, onChange: (next) => settings.set("scaling", next), signal });
}

function colormapOptions(colormaps) {
  const sequential = [...colormaps.values()].filter((p) => p.kind === "sequential");
  const option = (p) => ({ value: p.name, label: p.name });
  return [
    ...sequential.filter((p) => p.perceptual).map(option),
    { group: CAREFUL, options: sequential.filter((p) => !p.perceptual).map(option) },
  ];
}
