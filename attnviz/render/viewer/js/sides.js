// What each side of a comparison can show.

import { headOf } from "./attention_choice.js";
import { gateOf, strongestChannel } from "./data.js";
import { t } from "./language.js";
import { extent } from "./scale.js";
import { readPosition } from "./softmax.js";

const NAMES = {
  effective_gain: t`an effective gain`,
  spatial_logit: t`a spatial logit`,
  gate: t`a gate`,
  position_received: t`attention received`,
  row: t`where a location looks`,
  column: t`who looks at a location`,
  token: t`where a token looks`,
  rollout_row: t`the rollout of a location`,
  rollout_column: t`the rollout to a location`,
  rollout_token: t`the rollout of a token`,
};

/** Every map of one payload: [{value, label, live, map(u, v)}]; live ones depend on the pointer. */
export function sidesOf(data) {
  const list = [...data.maps.values()].map((map) => fixed(data, map.label, map.title, map, map.kind));
  for (const stage of data.stages) {
    const channel = strongestChannel(stage);
    const gate = { ...gateOf(stage, channel), stage: stage.stage };
    list.push(fixed(data, `stage${stage.stage}.gate`, t`Stage ${stage.stage} · gate of channel ${channel}`, gate, "gate"));
  }
  for (const position of data.positions) {
    list.push(live(data, position, "row", t`where the pointer's location looks`));
    list.push(live(data, position, "column", t`who looks at the pointer's location`));
    if (position.others) list.push(live(data, position, "token", position.class_token ? t`where the class token looks` : t`where the first other token looks`));
  }
  return list;
}

/** What to show first: [left, right], the last effective gain or the live row on both; two stages of one payload. */
export function firstChoices(left, right) {
  const rows = (sides) => sides.filter((s) => s.quantity === "row");
  const preferred = (sides) => rows(sides).find((s) => s.first) || rows(sides)[0] || sides.filter((s) => s.quantity === "effective_gain").at(-1) || sides.at(-1);
  if (left !== right) return [preferred(left), preferred(right)];
  const gains = left.filter((s) => s.quantity === "effective_gain");
  if (gains.length > 1) return [gains[0], gains.at(-1)];
  const fixed = left.filter((s) => !s.live);
  return fixed.length > 1 ? [fixed[0], fixed.at(-1)] : [left[0], left.at(-1)];
}

function common(data, quantity) {
  return { quantity, quantityName: NAMES[quantity] || quantity.replaceAll("_", " "), aspect: data.photo.width / data.photo.height };
}

function fixed(data, value, label, map, quantity) {
  const whole = { ...map, ...common(data, quantity) };
  return { value, label, quantity, live: false, map: () => whole };
}

/** Its numbers may have to be fetched first, by `fetched`; head: "mean", or the number of one. */
function live(data, position, mode, words) {
  const [rows, columns] = position.grid;
  const values = new Float32Array(position.count);
  const at = data.positions.indexOf(position);
  const { sees } = data.maps.get(position.received) || {};
  const map = (u, v, head = "mean") => {
    const row = Math.min(Math.max(Math.floor(v * rows), 0), rows - 1);
    const column = Math.min(Math.max(Math.floor(u * columns), 0), columns - 1);
    headOf(data.positions[at], head)[mode](mode === "token" ? 0 : row * columns + column, values);
    const range = extent(values);
    return { values, grid: position.grid, sees, extent: { low: 0, high: range.high }, bounds: [0, 1], unit: "share", ...common(data, quantity) };
  };
  const quantity = position.kind === "rollout" ? `rollout_${mode}` : mode;
  return {
    value: `${position.label}.${mode}`,
    label: `${position.title} · ${words}`,
    quantity,
    live: true,
    first: position.label === data.first_position,
    heads: position.heads || 1,
    map,
    get ready() {
      return data.positions[at].ready !== false;
    },
    async fetched(load) {
      data.positions[at] = readPosition(await load(data.id, position.label));
    },
  };
}

/** A point of one side's picture (unit square) as a point of the other's, through the photo's own pixels. */
export function acrossPhotos(from, to, u, v) {
  const [left, top, right, bottom] = from.crop;
  const x = (left + u * (right - left)) / from.photo[1];
  const y = (top + v * (bottom - top)) / from.photo[0];
  const [l, t, r, b] = to.crop;
  return [(x * to.photo[1] - l) / (r - l), (y * to.photo[0] - t) / (b - t)];
}
