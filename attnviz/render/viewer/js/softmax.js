// Position attention, exactly: softmax over keys of q.k (DANet, arXiv 1809.02983, Eq. 1; the energy is not scaled).

import { floats } from "./decode.js";

/** One of the payload's `positions` -> rows and columns of the N x N attention, computed when asked. */
export function readPosition(entry) {
  const [rows, columns] = entry.grid;
  const count = rows * columns;
  const query = floats(entry.query, entry.channels * count);
  const key = floats(entry.key, entry.channels * count);
  const lse = floats(entry.lse, count);
  return { ...entry, count, ...attention({ query, key, lse, channels: entry.channels, count }) };
}

/**
 * Rows and columns of the attention.
 *
 * @param {Float32Array} query (channels, count), C order: each channel's locations lie side by side, so both loops stream.
 * @param {Float32Array} key (channels, count).
 * @param {Float32Array} lse (count), logarithm of each query's softmax denominator.
 */
export function attention({ query, key, lse, channels, count }) {
  const energy = new Float64Array(count);

  /** Where location `at` looks: sums to 1. Written into `out`; returns the largest weight. */
  function row(at, out) {
    energies(query, key, at, channels, count, energy);
    let peak = -Infinity;
    for (let j = 0; j < count; j += 1) if (energy[j] > peak) peak = energy[j];
    let total = 0;
    for (let j = 0; j < count; j += 1) {
      const weight = Math.exp(energy[j] - peak);
      energy[j] = weight;
      total += weight;
    }
    for (let j = 0; j < count; j += 1) out[j] = energy[j] / total;
    return 1 / total;
  }

  /** Who looks at location `at`: each in [0, 1]. Written into `out`; returns the largest weight. */
  function column(at, out) {
    energies(key, query, at, channels, count, energy);
    let most = 0;
    for (let i = 0; i < count; i += 1) {
      const weight = Math.exp(energy[i] - lse[i]);
      out[i] = weight;
      if (weight > most) most = weight;
    }
    return most;
  }

  return { row, column };
}

/** energy[j] = sum over channels of one[c, at] * many[c, j]; four channels per pass to save stores. */
function energies(one, many, at, channels, count, energy) {
  energy.fill(0);
  let c = 0;
  for (; c + 3 < channels; c += 4) {
    const o0 = c * count;
    const o1 = o0 + count;
    const o2 = o1 + count;
    const o3 = o2 + count;
    const a0 = one[o0 + at];
    const a1 = one[o1 + at];
    const a2 = one[o2 + at];
    const a3 = one[o3 + at];
    for (let j = 0; j < count; j += 1) {
      energy[j] += a0 * many[o0 + j] + a1 * many[o1 + j] + a2 * many[o2 + j] + a3 * many[o3 + j];
    }
  }
  for (; c < channels; c += 1) {
    const o = c * count;
    const a = one[o + at];
    for (let j = 0; j < count; j += 1) energy[j] += a * many[o + j];
  }
}
