// What the view of a module's inside says, in sentences.

import { number, percent, range } from "./format.js";
import { t } from "./language.js";

export const INSIDE_HELP = t`Point at a picture to follow a location through the module, click to keep it beside another. With keys: arrows move it, with Shift by eight; Enter keeps it; Delete forgets the kept one.`;

/** What each module does, in a sentence. */
const MODULES = {
  BAM: t`BAM asks every channel and every place at once how much of it is wanted, adds or multiplies both answers, and adds that share of the features to them.`,
  CBAM: t`CBAM asks which channels are wanted, then which places, and multiplies the features by both answers.`,
  SE: t`SE squeezes every channel into its mean and computes from all means what each channel is multiplied by.`,
  SGE: t`SGE compares every place with the mean of its group of channels and keeps what resembles it.`,
  PAM: t`Position attention lets every place gather the values of all places, by how well its query fits their keys.`,
  CAM: t`Channel attention lets every channel gather from all channels; the released code favours those that are unlike.`,
};

export function moduleSentence(name) {
  return MODULES[name] || t`Only what was found of this module is known.`;
}

/** "128 × 8 × 12 · 0 to 10.7". */
export function shapeLine({ shape, range: extent }) {
  const size = shape.join(" × ");
  return extent ? `${size} · ${range(extent[0], extent[1], "")}` : size;
}

/** What a picture shows of its tensor. */
export function pictureName(step, index, group) {
  if (step.summary && index === 0) return step.summary === "norm" ? t`Length over all channels` : t`Mean over all channels`;
  const channel = step.channels[index - (step.summary ? 1 : 0)];
  if (channel === undefined || step.shape[0] === 1) return "";
  if (step.symbol === "P") return channel === 0 ? t`Maximum over channels` : t`Mean over channels`;
  return group ? t`Group ${channel}` : t`Channel ${channel}`;
}

/** A group of a tensor, in the heading over it. */
export function groupName(step, index) {
  return t`${step.title} (${step.symbol}): group ${step.channels[index]} of ${step.shape[0]}`;
}

/** Of how many groups the pictures are here. */
export function fewGroups(few, all) {
  return t`The photo is large: of ${all} groups the ${few} whose gates differ most between places were sent. In Python, explanation.inside(...) has all.`;
}

/** What a cell of a step sees of the photo. */
export function fieldSentence(step, [row, column], box) {
  const name = t`${step.title} (${step.symbol}), row ${row}, column ${column}`;
  if (!step.sees) return t`${name}: what it sees is not followed here.`;
  const [height, width] = step.sees.size.map(number);
  const share = percent((box.right - box.left) * (box.bottom - box.top));
  if (step.sees.everywhere) return t`${name}: sees ${width} × ${height} pixels, ${share} of the picture, and all of it through a mean or an attention before.`;
  return t`${name}: sees ${width} × ${height} pixels, ${share} of the picture.`;
}

/** The numbers of a picture at the followed and at the kept location. */
export function hereLine(name, here, kept) {
  return [name, t`here ${number(here)}`, kept === null ? "" : t`kept ${number(kept)}`].filter(Boolean).join(" · ");
}

/** How query and key of two locations make their energy. */
export function energySentence(energy, share) {
  return t`Query of the followed location · key of the kept one = ${number(energy)}, of which the softmax makes ${percent(share)}.`;
}

/** Of a tensor whose cells cannot be drawn where they look. */
export const AS_TILES = t`drawn as tiles: what its cells see is not known`;

export const KEEP_ONE = t`Click a picture, or press Enter, to keep a location: its key is then drawn beside the query of the one you follow.`;

/** The weight of what an attention gathers. */
export function weightSentence(gamma) {
  return t`γ = ${number(gamma)}: what is gathered enters the features with this weight.`;
}

/** How a matrix of many channels is drawn. */
export function blockSentence(side) {
  return side > 1 ? t`Each point is the mean of a block of ${number(side)} × ${number(side)}.` : t`Rows and columns are channels.`;
}
