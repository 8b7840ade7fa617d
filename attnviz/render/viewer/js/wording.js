// What the pictures are, in sentences; each says no more than the numbers do.

import { number, percent } from "./format.js";
import { t } from "./language.js";

const WEIGHTS = t`The attended features enter with this weight, the features themselves with 1.`;

/** What gamma means for how much of this the network uses. */
export function gammaSentence(gamma, what) {
  const size = Math.abs(gamma);
  const start = `γ = ${number(gamma)}`;
  if (gamma === 0) return t`${start}: the network does not use ${what}; its features pass unchanged.`;
  if (size < 0.1) return t`${start}: the network hardly uses ${what}${gamma < 0 ? t`, subtracting rather than adding` : ""}. ${WEIGHTS}`;
  const how = gamma < 0 ? t`subtracted from` : t`added to`;
  return t`${start}: ${what} is ${how} the features with this weight. That it enters does not prove that the result needs it.`;
}

/** A remark where a picture that is stretched to its own range would look stronger than it is; else empty. */
export function flatRemark(extent, bounds) {
  if (!bounds || bounds[0] === null || bounds[1] === null) return "";
  const share = (extent.high - extent.low) / (bounds[1] - bounds[0]);
  return share < 0.1 ? t`Nearly flat: spans ${percent(share)} of what is possible.` : "";
}

/** What the five pictures of a stage are. */
export function stageSentences(fusion) {
  const product = fusion === "product";
  return {
    photo: [t`Photo`, t`The pixels the network saw.`],
    spatial: [
      t`Spatial logit`,
      product
        ? t`One number per location. It is multiplied by the channel logit: where that is negative, a high number suppresses.`
        : t`One number per location, from the dilated convolutions: the higher, the more every channel is kept here.`,
    ],
    channel: [
      t`Channel logits`,
      product
        ? t`One number per channel. Its sign decides whether the spatial logit strengthens or suppresses.`
        : t`One number per channel, from the pooled features: the higher, the more it is kept everywhere. Choose one to see its gate.`,
    ],
    gate: [
      t`Gate`,
      product
        ? t`sigmoid(channel × spatial) of the chosen channel: its features are multiplied by 1 + gate.`
        : t`sigmoid(channel + spatial) of the chosen channel: its features are multiplied by 1 + gate.`,
    ],
    gain: [t`Effective gain`, t`Mean of 1 + gate over all channels: what a location is multiplied by, from 1 (left as it was) to 2 (doubled).`],
  };
}

/** What the maps of other attention modules are, by kind. */
export function kindSentence(kind) {
  const known = {
    spatial_gate: t`What every channel is multiplied by at each location, from 0 (removed) to 1 (kept).`,
    group_gate: t`What a group of channels is multiplied by at each location, averaged over the groups.`,
    channel_gate: t`What a channel is multiplied by at every location, from 0 (removed) to 1 (kept), the height of the chart. Choose a bar to read it.`,
    position_received: t`Mean attention each location receives from all locations; all together make 100 %.`,
    effective_gain: t`What a location is multiplied by, averaged over channels.`,
    spatial_logit: t`One number per location, before the sigmoid.`,
  };
  return known[kind] || t`One number per location of the network's grid.`;
}

/** For weights nobody trained. */
export const UNTRAINED = t`Random weights: this network has not been trained, so its attention means nothing.`;

/** What a colour bar means that is not plain; empty for one that is. */
export function barSentence({ log, fades }) {
  if (log && fades) return t`Logarithmic: equal steps of colour are equal factors. The opacity follows the value.`;
  if (log) return t`Logarithmic: equal steps of colour are equal factors.`;
  return fades ? t`The opacity follows the value.` : "";
}
