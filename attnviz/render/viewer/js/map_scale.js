// How the numbers of a map become colours: its range, linear or logarithmic, and whether its opacity follows the value.

import { innerExtent, scaleFor, spreadOver, union } from "./scale.js";

/** Whether a kind of map is position attention: a few large values and many small ones. */
export function isAttention(kind) {
  return /^(position|rollout)_|^(row|column|token)$/.test(kind || "");
}

/** Whose looks a kind of map has: settings begin with "map" or "attention". */
export function familyOf(kind) {
  return isAttention(kind) ? "attention" : "map";
}

/** Names of the settings after whose change a map is painted anew. */
export const PAINT_SETTINGS = ["colormap", "scaling", "cells", "map_spread", "map_opacity_by", "attention_spread", "attention_opacity_by"];

/** What was chosen for a kind of map: {spread, opacityBy}. */
export function lookOf(settings, kind) {
  const family = familyOf(kind);
  return { spread: settings.get(`${family}_spread`) || "linear", opacityBy: settings.get(`${family}_opacity_by`) || "even" };
}

/**
 * The scale of a map among its peers, of which it is one.
 *
 * @param map {values, extent, bounds, kind}; peers likewise, of the same kind.
 * @param mode "each", "shared" or "full", as for `scaleFor`; percentiles have no part in "full".
 */
export function mapScale(map, peers, settings, mode = settings.get("scaling")) {
  const look = lookOf(settings, map.kind || map.quantity);
  const ends = (m) => (look.spread === "percentile" ? innerExtent(m.values) : m.extent);
  const range = scaleFor(ends(map), peers.map(ends), map.bounds, mode);
  const raw = mode === "each" ? map.extent : union(peers.map((m) => m.extent));
  return spreadOver(range, raw, look);
}

/** The scale of a query's weights, which begins at 0; `shared`: one for it and all pins. */
export function liveScale(query, weights, settings) {
  const look = lookOf(settings, "row");
  const shared = settings.get("scaling") === "shared";
  const raw = { low: 0, high: query.top(weights.peak, shared) };
  if (look.spread !== "percentile") return spreadOver(raw, raw, look);
  const all = shared ? [weights, ...query.pins.list().map((pin) => query.weights(pin.cell))] : [weights];
  return spreadOver(union(all.map(inner)), raw, look);
}

/** Percentiles of weights, computed once: those of pins are asked for with every move of the pointer. */
function inner(weights) {
  weights.inner = weights.inner || innerExtent(weights.values);
  return weights.inner;
}
