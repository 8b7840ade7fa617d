// The payload as the views use it; see attnviz/render/viewer/payload.py for what is sent.

import { readColormaps } from "./color.js";
import { classes, floats, halves, readMap } from "./decode.js";
import { pictureOf, readModule } from "./inside_data.js";
import { t } from "./language.js";
import { readPosition } from "./softmax.js";
import { extent } from "./scale.js";

const SCHEMA = 2;

const already = new WeakMap(); // payload -> what was read from it: several views of one page share the arrays

/** Reads a payload; throws a RangeError with a sentence for people when it is not one of ours. */
export function readPayload(payload) {
  if (!payload || payload.schema !== SCHEMA) {
    throw new RangeError(t`expected data of version ${SCHEMA}, got version ${payload ? payload.schema : "none"}`);
  }
  if (!already.has(payload)) already.set(payload, contents(payload));
  return already.get(payload);
}

function contents(payload) {
  const modules = payload.modules.map(readModule);
  const maps = new Map(payload.maps.map((entry) => [entry.label, withExtent(readMap(entry))]));
  return {
    ...payload,
    view: payload.backdrop ? { ...payload.photo, url: payload.backdrop.url } : payload.photo, // behind maps
    colormaps: readColormaps(payload.colormaps),
    maps,
    stages: payload.stages.map((stage) => readStage(stage, maps)),
    positions: payload.positions.map(readPosition),
    cross: payload.cross.map(readPosition),
    channel: payload.channel ? readChannel(payload.channel) : null,
    modules,
    channelGates: payload.channel_gates.map(readChannelGate),
    groupGates: (payload.group_gates || []).map((gate) => readGroupGate(gate, maps, modules)),
    segmentation: payload.segmentation ? readSegmentation(payload.segmentation) : null,
  };
}

function withExtent(map) {
  return { ...map, extent: { low: map.range[0], high: map.range[1] } };
}

function readStage(stage, maps) {
  return {
    ...stage,
    spatial: maps.get(stage.spatial),
    gain: maps.get(stage.gain),
    channelLogit: floats(stage.channel_logit, stage.channels),
  };
}

function readChannel(channel) {
  const { count, outputs } = channel;
  const [rows, columns] = outputs.grid;
  const size = rows * columns;
  const all = floats(outputs.values, outputs.channels.length * size);
  const matrix = (channel.matrix_dtype === "float16" ? halves : floats)(channel.matrix, count * count);
  return {
    ...channel,
    matrix,
    matrixExtent: extent(matrix),
    effect: floats(channel.effect, count),
    outputs: new Map(
      outputs.channels.map((c, i) => {
        const values = all.subarray(i * size, (i + 1) * size);
        return [c, { channel: c, values, grid: outputs.grid, extent: extent(values) }];
      }),
    ),
  };
}

function readChannelGate(gate) {
  const values = floats(gate.values, gate.count);
  return { ...gate, values, extent: extent(values) };
}

/** The gate of each group as a map of its own; its cells see what those of the groups' mean do. */
function readGroupGate(gate, maps, modules) {
  const size = gate.grid[0] * gate.grid[1];
  const inside = gate.values === null ? modules.find(({ label }) => label === gate.module).steps.find(({ symbol }) => symbol === "M") : null;
  const all = inside ? null : halves(gate.values, gate.count * size);
  const made = []; // of those that follow from what happened inside, each when it is first asked for
  const valuesOf = (i) => (inside ? (made[i] ||= pictureOf(inside, i)) : all.subarray(i * size, (i + 1) * size));
  const { sees } = maps.get(gate.label) || {};
  const own = { grid: gate.grid, sees, kind: "group_gate", unit: "gate", bounds: [0, 1] };
  return {
    ...gate,
    maps: gate.ranges.map(([low, high], i) => ({ ...own, get values() { return valuesOf(i); }, extent: { low, high } })),
  };
}

function readSegmentation(segmentation) {
  return { ...segmentation, cells: classes(segmentation.cells, segmentation.cells_dtype) };
}

/** The gate of one channel of a BAM: sigmoid(channel + spatial), or of their product, as the weights were trained. */
export function gateOf(stage, channel) {
  const { values, grid, sees } = stage.spatial;
  const logit = stage.channelLogit[channel];
  const sum = stage.fusion === "sum";
  const out = Float32Array.from(values, (s) => 1 / (1 + Math.exp(-(sum ? s + logit : s * logit))));
  return { values: out, grid, sees, extent: extent(out), bounds: [0, 1], unit: "gate" };
}

/** The channel to show first: the most open gate of a sum; of a product the one that place matters to most. */
export function strongestChannel(stage) {
  const strength = stage.fusion === "sum" ? (v) => v : Math.abs;
  let best = 0;
  stage.channelLogit.forEach((v, i) => {
    if (strength(v) > strength(stage.channelLogit[best])) best = i;
  });
  return best;
}

/** Photo pixel at the middle of a location, [x, y], whole numbers; `place` as in cells.js. */
export function photoPixel(geometry, grid, cell, place = null) {
  const [left, top, right, bottom] = geometry.crop;
  const middle = (index, axis) => (place ? place.start[axis] + (index + 0.5) * place.step[axis] : (index + 0.5) / grid[axis]);
  const x = left + middle(cell % grid[1], 1) * (right - left);
  const y = top + middle(Math.floor(cell / grid[1]), 0) * (bottom - top);
  return [Math.floor(x), Math.floor(y)];
}
