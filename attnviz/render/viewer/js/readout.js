// What the position view says about a location, in words; the numbers come in, sentences go out.

import { el } from "./dom.js";
import { number, percent } from "./format.js";
import { t } from "./language.js";

const QUIET_MS = 350;

/** Share of `weights` that falls on locations of the same class as `at`, and that class's share of the grid. */
export function ownClass(weights, cells, at) {
  const own = cells[at];
  let inside = 0;
  let total = 0;
  let same = 0;
  for (let i = 0; i < weights.length; i += 1) {
    total += weights[i];
    if (cells[i] === own) {
      inside += weights[i];
      same += 1;
    }
  }
  return { share: total > 0 ? inside / total : 0, area: same / weights.length };
}

/** Where a location is: "Pixel x 312, y 140 · row 17, column 39 of 45 × 60". */
export function whereLine([x, y], grid, cell) {
  return t`Pixel x ${x}, y ${y} · row ${Math.floor(cell / grid[1])}, column ${cell % grid[1]} of ${grid[0]} × ${grid[1]}`;
}

/** The attention inside the location's own class, next to what an even spread would give. */
export function classLine(mode, { share, area }, name) {
  if (mode === "received") return "";
  const what = mode === "row" ? t`of its attention falls on ${name}` : t`of the attention it gets comes from ${name}`;
  return t`${percent(share)} ${what}, which covers ${percent(area)} of the locations.`;
}

/** What falls on tokens that are no locations; empty where there are none. */
export function besideLine(beside) {
  if (!beside) return "";
  const what = beside.count === 1 ? t`the one token that is no location` : t`the ${beside.count} tokens that are no locations`;
  return t`${percent(beside.share)} falls on ${what}.`;
}

/** The largest weight, next to an even spread. */
export function peakLine(mode, peak, count) {
  const subject = {
    row: t`Largest weight`,
    token: t`Largest weight`,
    column: t`Most devoted location gives`,
    received: t`Most any location receives`,
  }[mode];
  return t`${subject} ${percent(peak)}, ${number(peak * count)} times an even spread.`;
}

/** A text that is spoken once the visitor rests: a live region that is not flooded while the pointer moves. */
export function createAnnouncer(signal) {
  const root = el("p", { class: "av-spoken", "aria-live": "polite", role: "status" });
  let timer = 0;
  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  return {
    root,
    say(text, delay = QUIET_MS) {
      clearTimeout(timer);
      timer = setTimeout(() => {
        root.textContent = text;
      }, delay);
    },
  };
}
