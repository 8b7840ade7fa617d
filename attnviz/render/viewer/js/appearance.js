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

/**
 * Controls bound to the settings.
 *
 * @param scalings [{value, label, title}] that this view understands; empty for none.
 */
export function createAppearance({ settings, colormaps, signal }, scalings = []) {
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
  return el("div", { class: "av-appearance" }, el("div", { class: "av-toolbar" }, Object.values(controls).map((c) => c.root)), warning);
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
