// Position attention, exactly: softmax over keys of q.k, per head (DANet, arXiv 1809.02983, Eq. 1; other scales are in q).

import { floats, halves } from "./decode.js";

/**
 * One of the payload's `positions` -> rows and columns of the attention, computed when asked: of several heads the
 * mean of each head's own softmax; `head(n)` is one of them alone. Without its numbers (`ready` false) it only has names.
 */
export function readPosition(entry) {
  const count = entry.grid[0] * entry.grid[1];
  const queries = entry.queries ? entry.queries[0] * entry.queries[1] : count; // of a cross attention: another number
  const base = { ...entry, count };
  if (entry.kind === "rollout") return entry.matrix ? { ...base, ready: true, ...dense(entry, count) } : { ...base, ready: false };
  if (entry.query === null) return { ...base, ready: false };
  const heads = readHeads(entry, count, queries);
  return { ...base, ready: true, ...meanOf(heads, Math.max(count, queries)), head: (n) => ({ ...base, ready: true, ...heads[n] }) };
}

function readHeads(entry, count, queries) {
  const { heads = 1, others = 0, channels } = entry;
  const read = (name, size, exact = false) => (entry.dtype === "float16" && !exact ? halves : floats)(entry[name], heads * size);
  const [query, key] = [read("query", channels * queries), read("key", channels * count)];
  const [otherQuery, otherKey] = ["other_query", "other_key"].map((name) => (others && entry[name] ? read(name, channels * others) : null));
  const lse = read("lse", queries, true);
  const received = heads > 1 ? read("received_by_head", count, true) : null;
  const part = (all, size, head) => all && all.subarray(head * size, (head + 1) * size);
  return Array.from({ length: heads }, (_, head) => ({
    ...attention({
      query: part(query, channels * queries, head),
      key: part(key, channels * count, head),
      lse: part(lse, queries, head),
      channels,
      count,
      queries,
      others,
      otherQuery: part(otherQuery, channels * others, head),
      otherKey: part(otherKey, channels * others, head),
    }),
    receivedValues: part(received, count, head),
  }));
}

/** Rows and columns, of `most` numbers at most, as the mean over heads: of the softmax, not of the energies. */
function meanOf(heads, most) {
  if (heads.length === 1) {
    const { row, column, token, energies: each, vectors } = heads[0];
    return { row, column, token, energies: each, vectors };
  }
  const one = new Float32Array(most);
  const mean = (name) => (at, out) => {
    out.fill(0);
    for (const head of heads) {
      head[name](at, one);
      for (let j = 0; j < out.length; j += 1) out[j] += one[j] / heads.length;
    }
    return largest(out);
  };
  return { row: mean("row"), column: mean("column"), token: mean("token") };
}

/** Attention between all tokens as a matrix, the tokens that are no locations first. */
function dense({ matrix, others = 0, dtype }, count) {
  const total = others + count;
  const all = (dtype === "float16" ? halves : floats)(matrix, total * total);
  const along = (token) => (out) => {
    out.set(all.subarray(token * total + others, (token + 1) * total));
    return largest(out);
  };
  const received = new Float32Array(count);
  for (let i = others; i < total; i += 1) for (let j = 0; j < count; j += 1) received[j] += all[i * total + others + j] / count;
  return {
    row: (at, out) => along(others + at)(out),
    token: (token, out) => along(token)(out),
    column(at, out) {
      for (let i = 0; i < count; i += 1) out[i] = all[(others + i) * total + others + at];
      return largest(out);
    },
    receivedValues: received,
  };
}

function largest(values) {
  let most = 0;
  for (const value of values) if (value > most) most = value;
  return most;
}

/**
 * Rows and columns of the attention of one head.
 *
 * @param {Float32Array} query (channels, queries), C order: each channel's locations lie side by side, so both loops stream.
 * @param {Float32Array} key (channels, count).
 * @param {Float32Array} lse (queries), logarithm of each query's softmax denominator.
 * @param {number} others Tokens that are no locations but have a share: otherQuery and otherKey are (channels, others).
 */
export function attention({ query, key, lse, channels, count, queries = count, others = 0, otherQuery = null, otherKey = null }) {
  const energy = new Float64Array(Math.max(count, queries));
  const beside = new Float64Array(others);

  /** Where the query `at` of `from` (channels, size) looks. Written into `out`; returns the largest weight. */
  function look(from, size, at, out) {
    energies(from, size, key, count, at, channels, energy);
    if (others) energies(from, size, otherKey, others, at, channels, beside);
    let peak = -Infinity;
    for (let j = 0; j < count; j += 1) if (energy[j] > peak) peak = energy[j];
    const most = peak;
    for (let j = 0; j < others; j += 1) if (beside[j] > peak) peak = beside[j];
    let total = 0;
    for (let j = 0; j < count; j += 1) {
      const weight = Math.exp(energy[j] - peak);
      energy[j] = weight;
      total += weight;
    }
    for (let j = 0; j < others; j += 1) total += Math.exp(beside[j] - peak);
    for (let j = 0; j < count; j += 1) out[j] = energy[j] / total;
    return Math.exp(most - peak) / total;
  }

  /** Where location `at` looks: sums to 1 less what falls on other tokens. */
  const row = (at, out) => look(query, queries, at, out);

  /** Where a token looks that is no location. */
  const token = (number, out) => look(otherQuery, others, number, out);

  /** Who looks at location `at`: each in [0, 1]. Written into `out`; returns the largest weight. */
  function column(at, out) {
    energies(key, count, query, queries, at, channels, energy);
    let most = 0;
    for (let i = 0; i < queries; i += 1) {
      const weight = Math.exp(energy[i] - lse[i]);
      out[i] = weight;
      if (weight > most) most = weight;
    }
    return most;
  }

  /** The energy of location `at` with every other, before the softmax; written into `out`. */
  function energiesAt(at, out) {
    energies(query, count, key, count, at, channels, energy);
    out.set(energy);
  }

  /** Query and key of one location, (channels) each. */
  const vectors = (at) => ({ query: along(query, at), key: along(key, at) });
  const along = (all, at) => Float32Array.from({ length: channels }, (_, c) => all[c * count + at]);

  return { row, column, token, energies: energiesAt, vectors };
}

/**
 * energy[j] = sum over channels of one[c, at] * many[c, j], of (channels, size) and (channels, count); four channels per
 * pass to save stores.
 */
function energies(one, size, many, count, at, channels, energy) {
  energy.fill(0);
  let c = 0;
  for (; c + 3 < channels; c += 4) {
    const o0 = c * count;
    const o1 = o0 + count;
    const o2 = o1 + count;
    const o3 = o2 + count;
    const a0 = one[c * size + at];
    const a1 = one[(c + 1) * size + at];
    const a2 = one[(c + 2) * size + at];
    const a3 = one[(c + 3) * size + at];
    for (let j = 0; j < count; j += 1) {
      energy[j] += a0 * many[o0 + j] + a1 * many[o1 + j] + a2 * many[o2 + j] + a3 * many[o3 + j];
    }
  }
  for (; c < channels; c += 1) {
    const o = c * count;
    const a = one[c * size + at];
    for (let j = 0; j < count; j += 1) energy[j] += a * many[o + j];
  }
}
