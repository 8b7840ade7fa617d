// The row of controls for looks that every view has: opacity, colour map, cells or smooth, scaling.

import { chooser, segmented, slider } from "./controls.js";
import { el } from "./dom.js";
import { percent } from "./format.js";

const CAREFUL = "Not even in lightness";

/**
 * Controls bound to the settings.
 *
 * @param scalings [{value, label, title}] that this view understands; empty for none.
 */
export function createAppearance({ settings, palettes, signal }, scalings = []) {
  const warning = el("p", { class: "av-warning", role: "status" });
  const warn = () => {
    const palette = palettes.get(settings.get("palette"));
    warning.textContent = palette && !palette.perceptual ? palette.note : "";
    warning.hidden = !warning.textContent;
  };
  const row = el("div", { class: "av-toolbar" }, [
    slider({
      label: "Map opacity",
      min: 0,
      max: 1,
      step: 0.05,
      value: settings.get("opacity"),
      words: percent,
      onInput: (value) => settings.set("opacity", value),
      signal,
    }).root,
    chooser({
      label: "Colour map",
      options: paletteOptions(palettes),
      value: settings.get("palette"),
      onChange: (value) => settings.set("palette", value),
      signal,
    }).root,
    segmented({
      label: "Locations",
      options: [
        { value: "cells", label: "Cells", title: "One square per location: exactly what was computed" },
        { value: "smooth", label: "Smooth", title: "Interpolated between locations: easier to look at, not more information" },
      ],
      value: settings.get("smooth") ? "smooth" : "cells",
      onChange: (value) => settings.set("smooth", value === "smooth"),
      signal,
    }).root,
    scalings.length
      ? segmented({
          label: "Colours from",
          options: scalings,
          value: scalings.some((s) => s.value === settings.get("scaling")) ? settings.get("scaling") : scalings[0].value,
          onChange: (value) => settings.set("scaling", value),
          signal,
        }).root
      : null,
  ]);
  warn();
  settings.subscribe(warn, signal);
  return el("div", { class: "av-appearance" }, row, warning);
}

function paletteOptions(palettes) {
  const sequential = [...palettes.values()].filter((p) => p.kind === "sequential");
  const option = (p) => ({ value: p.name, label: p.name });
  return [
    ...sequential.filter((p) => p.perceptual).map(option),
    { group: CAREFUL, options: sequential.filter((p) => !p.perceptual).map(option) },
  ];
}
