// Stages of any network: those it counts itself, else one for each size of its features.

import { t } from "./language.js";

/** The stage of a map or gate in words. */
export function stageName({ stage, stride }) {
  return stage === null ? t`Stride ${stride}` : t`Stage ${stage}`;
}

/** Maps or gates in stages, [{name, entries}], in the order of their first ones; depth is kept within a stage. */
export function stagesOf(entries) {
  const found = new Map();
  for (const entry of entries) {
    const name = stageName(entry);
    if (!found.has(name)) found.set(name, []);
    found.get(name).push(entry);
  }
  return [...found].map(([name, list]) => ({ name, entries: list }));
}
