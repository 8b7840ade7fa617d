// The tensors inside attention modules as the views use them; see attnviz/render/viewer/inside_parts.py.

import { placeOf } from "./cells.js";
import { floats, halves } from "./decode.js";

/** One of the payload's `modules`, its steps read. */
export function readModule(entry) {
  const steps = entry.steps.map(readStep);
  for (const step of steps) if (step.derived) step.source = steps.find(({ symbol }) => symbol === step.derived.from);
  return { ...entry, steps };
}

function readStep(step) {
  const size = step.grid ? step.grid[0] * step.grid[1] : step.kind === "matrix" ? step.count : 1;
  if (step.values === null) return { ...step, size };
  const all = (step.dtype === "float16" ? halves : floats)(step.values, step.count * size);
  return { ...step, values: all, size };
}

/** One picture of a step: (rows x columns) numbers. */
export function pictureOf(step, index) {
  if (step.derived) return pictureFrom(pictureOf(step.source, index), step.derived, index);
  return step.values.subarray(index * step.size, (index + 1) * step.size);
}

/** A picture that follows from another, as attnviz/render/viewer/group_steps.py tells it. */
function pictureFrom(other, { slope, offset, sigmoid }, index) {
  return sigmoid ? other.map((value) => 1 / (1 + Math.exp(-value))) : other.map((value) => slope[index] * value + offset[index]);
}

/** Which picture of a step shows a channel: that of all channels for "all" or where the channel was not kept. */
export function pictureFor(step, channel) {
  const at = channel === "all" ? -1 : step.channels.indexOf(Number(channel));
  return step.summary ? at + 1 : Math.max(at, 0);
}

/**
 * Where the cells of a step's pictures lie, as in cells.js; null: as even tiles.
 *
 * Of query, key and rows of an attention whose own fields were not followed, those of the attention's map count.
 */
export function placeInside(step, { module, data, settings }) {
  return placeOf({ sees: seenBy(step, module, data) }, settings, data.geometry);
}

/** What the cells of a step see, as `sees` of the payload; null where that is not known. */
export function seenBy(step, module, data) {
  if (step.sees || !step.grid) return step.sees;
  const position = data.positions.find(({ label }) => label === module.label);
  const received = position && data.maps.get(position.received);
  return (received && received.sees) || null;
}

/**
 * What a cell sees as parts of the network image, {left, top, right, bottom} from 0 to 1, cut off at its edges.
 *
 * @param sees As in the payload: {start: [y, x], size, stride}, network pixels.
 * @param network [height, width] of the network image.
 */
export function fieldBox(sees, network, [row, column]) {
  const along = (axis, cell) => {
    const from = sees.start[axis] + cell * sees.stride[axis];
    return [from, from + sees.size[axis]].map((edge) => Math.min(Math.max(edge / network[axis], 0), 1));
  };
  const [[top, bottom], [left, right]] = [along(0, row), along(1, column)];
  return { left, top, right, bottom };
}
