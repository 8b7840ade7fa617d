// The views by name: what they are called, and which of them have something to show.

import { t } from "./language.js";

/** Name -> what people call it. */
export const VIEW_LABELS = Object.freeze({
  stages: t`Coarse to fine`,
  position: t`Position attention`,
  cross: t`Cross attention`,
  channel: t`Channel attention`,
  inside: t`Inside the module`,
  sites: t`Sites`,
  evidence: t`Evidence`,
  compare: t`Compare`,
});

/** The payload of the side ({left, right} for two, {families} for several) that has nothing to show in a view; null where the view applies. */
export function lacking(view, payload) {
  if (payload.families) return null;
  const left = payload.left || payload;
  if (view === "compare") return [left, payload.right].find((side) => side && !side.maps.length) || null;
  if (view === "sites") return left.maps.length + left.positions.length + left.channel_gates.length ? null : left; // few are offered no tab
  return left.views.includes(view) ? null : left;
}
