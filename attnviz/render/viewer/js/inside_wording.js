// What the view of a module's inside says, in sentences.

import { number, percent, range } from "./format.js";

export const INSIDE_HELP =
  "Point at a picture to follow a location through the module, click to keep it beside another. With keys: arrows move it, with Shift by eight; Enter keeps it; Delete forgets the kept one.";

/** What each module does, in a sentence. */
const MODULES = {
  BAM: "BAM asks every channel and every place at once how much of it is wanted, adds or multiplies both answers, and adds that share of the features to them.",
  CBAM: "CBAM asks which channels are wanted, then which places, and multiplies the features by both answers.",
  SE: "SE squeezes every channel into its mean and computes from all means what each channel is multiplied by.",
  SGE: "SGE compares every place with the mean of its group of channels and keeps what resembles it.",
  PAM: "Position attention lets every place gather the values of all places, by how well its query fits their keys.",
  CAM: "Channel attention lets every channel gather from all channels; the released code favours those that are unlike.",
};

export function moduleSentence(name) {
  return MODULES[name] || "Only what was found of this module is known.";
}

/** "128 × 8 × 12 · 0 to 10.7". */
export function shapeLine({ shape, range: extent }) {
  const size = shape.join(" × ");
  return extent ? `${size} · ${range(extent[0], extent[1], "")}` : size;
}

/** What a picture shows of its tensor. */
export function pictureName(step, index, group) {
  if (step.summary && index === 0) return step.summary === "norm" ? "Length over all channels" : "Mean over all channels";
  const channel = step.channels[index - (step.summary ? 1 : 0)];
  if (channel === undefined || step.shape[0] === 1) return "";
  return group ? `Group ${channel}` : `Channel ${channel}`;
}

/** What a cell of a step sees of the photo. */
export function fieldSentence(step, [row, column], box) {
  const name = `${step.name} (${step.symbol}), row ${row}, column ${column}`;
  if (!step.sees) return `${name}: what it sees is not followed here.`;
  const [height, width] = step.sees.size;
  const share = (box.right - box.left) * (box.bottom - box.top);
  const local = `${name}: sees ${number(width)} × ${number(height)} pixels, ${percent(share)} of the picture`;
  return step.sees.everywhere ? `${local}, and all of it through a mean or an attention before.` : `${local}.`;
}

/** How query and key of two locations make their energy. */
export function energySentence(energy, share) {
  return `Query of the followed location · key of the kept one = ${number(energy)}, of which the softmax makes ${percent(share)}.`;
}

export const KEEP_ONE = "Click a picture, or press Enter, to keep a location: its key is then drawn beside the query of the one you follow.";

/** γ of an attention. */
export function weightSentence(gamma) {
  return `γ = ${number(gamma)}: what is gathered enters the features with this weight.`;
}
