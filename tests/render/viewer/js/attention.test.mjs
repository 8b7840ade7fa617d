// Position attention against numbers derived by hand, and the state of the view around it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { createPins } from "../../../../attnviz/render/viewer/js/pins.js";
import { moved, Query } from "../../../../attnviz/render/viewer/js/query.js";
import { besideLine, classLine, ownClass, peakLine, whereLine } from "../../../../attnviz/render/viewer/js/readout.js";
import { attentionSentence, headOf } from "../../../../attnviz/render/viewer/js/attention_choice.js";
import { attention, readPosition } from "../../../../attnviz/render/viewer/js/softmax.js";

const near = (actual, expected, tolerance = 1e-6) => {
  assert.equal(actual.length, expected.length);
  expected.forEach((value, i) => assert.ok(Math.abs(actual[i] - value) <= tolerance, `[${i}]: ${actual[i]}, expected ${value}`));
};

/** A whole attention matrix, the slow way. */
function slowly(query, key, channels, count) {
  return Array.from({ length: count }, (_, i) => {
    const energy = Array.from({ length: count }, (_, j) => {
      let sum = 0;
      for (let c = 0; c < channels; c += 1) sum += query[c * count + i] * key[c * count + j];
      return sum;
    });
    const peak = Math.max(...energy);
    const total = energy.reduce((sum, e) => sum + Math.exp(e - peak), 0);
    return { row: energy.map((e) => Math.exp(e - peak) / total), lse: peak + Math.log(total) };
  });
}

function seeded(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  };
}

test("rows and columns by hand: q = (1, 2), k = (0, ln 3)", () => {
  const query = Float32Array.from([1, 2]);
  const key = Float32Array.from([0, Math.log(3)]);
  const lse = Float32Array.from([Math.log(4), Math.log(10)]);
  const position = attention({ query, key, lse, channels: 1, count: 2 });
  const out = new Float32Array(2);
  assert.ok(Math.abs(position.row(0, out) - 0.75) < 1e-6);
  near(out, [0.25, 0.75]);
  position.row(1, out);
  near(out, [0.1, 0.9]);
  assert.ok(Math.abs(position.column(1, out) - 0.9) < 1e-6);
  near(out, [0.75, 0.9]);
});

test("three queries of their own look at two places: q = (0, 1, 2), k = (0, ln 3)", () => {
  const query = Float32Array.from([0, 1, 2]);
  const key = Float32Array.from([0, Math.log(3)]);
  const lse = Float32Array.from([Math.log(2), Math.log(4), Math.log(10)]);
  const cross = attention({ query, key, lse, channels: 1, count: 2, queries: 3 });
  const [row, column] = [new Float32Array(2), new Float32Array(3)];
  for (const [at, expected] of [[0, [0.5, 0.5]], [1, [0.25, 0.75]], [2, [0.1, 0.9]]]) {
    assert.ok(Math.abs(cross.row(at, row) - expected[1]) < 1e-6);
    near(row, expected);
  }
  assert.ok(Math.abs(cross.column(1, column) - 0.9) < 1e-6);
  near(column, [0.5, 0.75, 0.9]);
});

for (const channels of [1, 3, 4, 7, 16]) {
  test(`every row and column of a seeded ${channels}-channel case equals the whole matrix`, () => {
    const count = 23;
    const random = seeded(channels);
    const query = Float32Array.from({ length: channels * count }, () => 6 * random());
    const key = Float32Array.from({ length: channels * count }, () => 6 * random());
    const whole = slowly(query, key, channels, count);
    const position = attention({ query, key, lse: Float32Array.from(whole, (r) => r.lse), channels, count });
    const out = new Float32Array(count);
    for (let at = 0; at < count; at += 1) {
      const peak = position.row(at, out);
      near(out, whole[at].row);
      assert.ok(Math.abs(peak - Math.max(...whole[at].row)) < 1e-6);
      position.column(at, out);
      near(out, whole.map((r) => r.row[at]), 2e-5);
    }
  });
}

test("energies of thousands neither overflow nor vanish", () => {
  const position = attention({ query: Float32Array.from([100, -100]), key: Float32Array.from([90, -90]), lse: Float32Array.from([9000, 9000]), channels: 1, count: 2 });
  const out = new Float32Array(2);
  position.row(0, out);
  assert.deepEqual([...out], [1, 0]);
  position.row(1, out);
  assert.deepEqual([...out], [0, 1]);
});

const PINS = Array.from({ length: 8 }, (_, i) => ({ color: `#00000${i % 3}`, ink: "#ffffff" }));

/** The state of a view over made data, and how often a row or column was computed. */
function made(options, ...more) {
  const { data, position, asked } = viewData(options);
  return { query: new Query(data, position, ...more), asked };
}

function viewData({ segmentation = true } = {}) {
  const count = 12;
  const random = seeded(5);
  const [query, key] = [0, 1].map(() => Float32Array.from({ length: 2 * count }, () => 4 * random()));
  const lse = Float32Array.from(slowly(query, key, 2, count), (r) => r.lse);
  let asked = 0;
  const exact = attention({ query, key, lse, channels: 2, count });
  const counted = (f) => (...args) => { asked += 1; return f(...args); };
  const position = { grid: [3, 4], count, received: "r", ...exact, row: counted(exact.row), column: counted(exact.column) };
  const cells = Uint8Array.from([0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]);
  return {
    position,
    data: {
      pins: PINS,
      maps: new Map([["r", { values: new Float32Array(count).fill(1 / 12) }]]),
      geometry: { photo: [30, 40], crop: [0, 0, 40, 30], network: [24, 32] },
      segmentation: segmentation ? { categories: [{ name: "road" }, { name: "sky" }], cells, grid: [3, 4] } : null,
    },
    asked: () => asked,
  };
}

test("the query starts in the middle, moves by keys, and stops at the edges", () => {
  const { query } = made();
  assert.equal(query.cell, 6);
  query.step(-1, 0, false);
  assert.equal(query.cell, 2);
  query.step(-1, 0, false);
  assert.equal(query.cell, 2);
  query.step(0, 1, true);
  assert.equal(query.cell, 3);
  query.step(1, -1, true);
  assert.equal(query.cell, 8);
  query.moveTo(99);
  query.moveTo(-1);
  assert.equal(query.cell, 8);
});

test("a row is computed once while the query rests, and pins are computed once per mode", () => {
  const { query, asked } = made();
  query.pin(1);
  query.pin(2);
  query.weights(1);
  query.weights(2);
  query.weights(5);
  query.weights(5);
  query.top(0, true);
  assert.equal(asked(), 3);
  query.setMode("column");
  query.weights(1);
  query.weights(1);
  assert.equal(asked(), 4);
});

test("a pinned row keeps its numbers while the pointer moves on", () => {
  const { query } = made();
  query.pin(1);
  const before = [...query.weights(1).values];
  query.moveTo(7);
  const live = [...query.weights(7).values];
  assert.notDeepEqual(live, before);
  assert.deepEqual([...query.weights(1).values], before);
  const sum = before.reduce((a, b) => a + b, 0);
  assert.ok(Math.abs(sum - 1) < 1e-5);
});

test("changes are told: every change draws, pins and mode also reach the page", () => {
  const { query } = made();
  let [drawn, told] = [0, 0];
  query.onChange = () => { drawn += 1; };
  query.onPins = () => { told += 1; };
  query.moveTo(query.cell);
  assert.equal(drawn, 0);
  query.moveTo(1);
  query.pin(1);
  query.setMode("received");
  query.unpin(5);
  query.unpin(1);
  assert.equal(drawn, 4);
  assert.equal(told, 3);
});

test("received has no class share, and without a segmentation there are no class names", () => {
  const { query } = made();
  query.setMode("received");
  assert.equal(query.weights(0).own, null);
  assert.ok(Math.abs(query.weights(0).peak - 1 / 12) < 1e-6);
  const bare = made({ segmentation: false }).query;
  assert.equal(bare.className(3), "");
  assert.equal(bare.weights(3).own, null);
});

test("pins from outside the grid are ignored", () => {
  const { query } = made({}, [[0, 1], [3, 0], [0, 4], [-1, 2]]);
  assert.deepEqual(query.pins.list().map((p) => p.cell), [1]);
  assert.equal(query.cell, 1);
});

test("classes on another grid are those that the locations' middles lie in", () => {
  const { data, position } = viewData();
  const fine = { ...data.segmentation, grid: [6, 4], cells: Uint8Array.from({ length: 24 }, (_, i) => Number(i >= 12)) };
  const query = new Query({ ...data, segmentation: fine }, position);
  assert.deepEqual([0, 4, 8].map((cell) => query.className(cell)), ["road", "sky", "sky"]);
  assert.equal(query.weights(8).own.area, 2 / 3);
});

test("a place keeps its part of the photo when it moves to another grid, and comes back from a finer one", () => {
  assert.deepEqual(moved([1, 3], [3, 4], [6, 8]), [3, 7]);
  assert.deepEqual(moved([3, 7], [6, 8], [3, 4]), [1, 3]);
  assert.deepEqual(moved([59, 59], [60, 60], [7, 1]), [6, 0]);
  for (let row = 0; row < 97; row += 1) assert.deepEqual(moved([row, row], [97, 97], [97, 97]), [row, row]);
});

test("as many pins as there are looks for, each with its own number; a freed number is used again", () => {
  const pins = createPins(PINS);
  for (let cell = 10; cell < 18; cell += 1) assert.ok(pins.add(cell));
  assert.deepEqual(pins.list().map((p) => p.number), [1, 2, 3, 4, 5, 6, 7, 8]);
  assert.deepEqual(pins.list().map(({ color, ink }) => ({ color, ink })), PINS);
  assert.equal(pins.add(99), null);
  assert.equal(pins.add(12).number, 3);
  assert.equal(pins.remove(12), true);
  assert.equal(pins.remove(12), false);
  assert.equal(pins.add(99).number, 3);
  assert.equal(pins.find(99).number, 3);
});

test("the share inside the own class stands next to the class's share of the grid", () => {
  const own = ownClass([0.5, 0.25, 0.25, 0], Uint8Array.from([2, 2, 1, 2]), 0);
  assert.equal(own.share, 0.75);
  assert.equal(own.area, 0.75);
  assert.equal(ownClass([0, 0], Uint8Array.from([0, 1]), 0).share, 0);
  assert.equal(classLine("row", { share: 0.75, area: 0.5 }, "road"), "75 % of its attention falls on road, which covers 50 % of the locations.");
  assert.equal(classLine("column", { share: 0.1, area: 0.5 }, "sky"), "10 % of the attention it gets comes from sky, which covers 50 % of the locations.");
  assert.equal(classLine("received", { share: 0.1, area: 0.5 }, "sky"), "");
  assert.equal(peakLine("row", 0.02, 200), "Largest weight 2.0 %, 4 times an even spread.");
  assert.equal(whereLine([312, 140], [45, 60], 17 * 60 + 39), "Pixel x 312, y 140 · row 17, column 39 of 45 × 60");
});

const base64 = (values) => Buffer.from(Float32Array.from(values).buffer).toString("base64");

/** A payload's entry of two heads with one channel, two locations and one other token, and each head's softmax. */
function twoHeads() {
  const random = seeded(11);
  const tokens = Array.from({ length: 2 }, () => Array.from({ length: 2 }, () => Array.from({ length: 3 }, () => 4 * random()))); // head, query or key, token
  const whole = tokens.map(([query, key]) => slowly(query, key, 1, 3)); // token 0 is no location
  const entry = {
    label: "a", title: "A", kind: "attention", grid: [1, 2], channels: 1, heads: 2, others: 1, dtype: "float32", received: "r",
    query: base64(tokens.flatMap(([query]) => query.slice(1))),
    key: base64(tokens.flatMap(([, key]) => key.slice(1))),
    other_query: base64(tokens.map(([query]) => query[0])),
    other_key: base64(tokens.map(([, key]) => key[0])),
    lse: base64(whole.flatMap((rows) => rows.slice(1).map((row) => row.lse))),
    received_by_head: base64(whole.flatMap((rows) => [1, 2].map((j) => (rows[1].row[j] + rows[2].row[j]) / 2))),
  };
  return { entry, whole };
}

test("of several heads rows, columns and the token's row are the mean of their softmax, and one head is itself", () => {
  const { entry, whole } = twoHeads();
  const position = readPosition(entry);
  const out = new Float32Array(2);
  const check = (found, rows) => {
    for (const at of [0, 1]) {
      const peak = found.row(at, out);
      near(out, rows[at + 1].slice(1));
      assert.ok(Math.abs(peak - Math.max(...out)) < 1e-6);
      found.column(at, out);
      near(out, [1, 2].map((i) => rows[i][at + 1]));
    }
    found.token(0, out);
    near(out, rows[0].slice(1));
  };
  const each = whole.map((rows) => rows.map(({ row }) => row));
  const mean = each[0].map((row, i) => row.map((weight, j) => (weight + each[1][i][j]) / 2));
  check(position, mean);
  [0, 1].forEach((head) => check(headOf(position, String(head)), each[head]));
  near(position.head(1).receivedValues, [1, 2].map((j) => (each[1][1][j] + each[1][2][j]) / 2));
  assert.equal(headOf(position, "mean"), position);
});

test("a rollout is a matrix whose first tokens are no locations", () => {
  const matrix = [0.5, 0.3, 0.2, 0.1, 0.6, 0.3, 0.2, 0.2, 0.6];
  const position = readPosition({ label: "rollout", kind: "rollout", grid: [1, 2], heads: 1, others: 1, layers: 2, matrix: base64(matrix) });
  const out = new Float32Array(2);
  assert.ok(Math.abs(position.row(0, out) - 0.6) < 1e-6);
  near(out, [0.6, 0.3]);
  position.column(0, out);
  near(out, [0.6, 0.2]);
  position.token(0, out);
  near(out, [0.3, 0.2]);
  near(position.receivedValues, [0.4, 0.45]);
  assert.match(attentionSentence(position, "mean"), /product over 2 layers .* no layer did this/);
});

test("an attention without its numbers says so, and does not pretend", () => {
  const { entry } = twoHeads();
  const position = readPosition({ ...entry, query: null });
  assert.equal(position.ready, false);
  assert.equal(position.row, undefined);
  assert.equal(readPosition({ kind: "rollout", grid: [1, 2], matrix: null }).ready, false);
  assert.equal(readPosition(entry).ready, true);
});

test("what falls on other tokens is said of rows, and which heads are shown", () => {
  const position = readPosition(twoHeads().entry);
  const data = { pins: PINS, maps: new Map([["r", { values: Float32Array.from([0.25, 0.25]) }]]), geometry: {}, segmentation: null };
  const query = new Query(data, position, [], "row");
  const { values, beside } = query.weights(0);
  assert.ok(Math.abs(beside.share - (1 - values[0] - values[1])) < 1e-6);
  query.setMode("token");
  assert.equal(query.weights(0).beside.count, 1);
  assert.equal(query.weights(0).own, null);
  query.setMode("column");
  assert.equal(query.weights(0).beside, null);
  assert.equal(besideLine({ share: 0.5, count: 1 }), "50 % falls on the one token that is no location.");
  assert.equal(besideLine({ share: 0.25, count: 5 }), "25 % falls on the 5 tokens that are no locations.");
  assert.equal(besideLine(null), "");
  assert.equal(attentionSentence(position, "1"), "Head 1 of 2 alone, counted from 0.");
  assert.match(attentionSentence(position, "mean"), /Mean over the 2 heads/);
  assert.equal(attentionSentence({ heads: 1 }, "mean"), "");
});
