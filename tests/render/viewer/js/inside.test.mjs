// What a cell sees, which picture shows a channel, and the energies before the softmax, against numbers derived by hand.

import assert from "node:assert/strict";
import { test } from "node:test";

import { fieldBox, pictureFor, pictureOf, readModule } from "../../../../attnviz/render/viewer/js/inside_data.js";
import { fieldSentence, pictureName, shapeLine } from "../../../../attnviz/render/viewer/js/inside_wording.js";
import { attention } from "../../../../attnviz/render/viewer/js/softmax.js";

const SEES = { start: [-3, -7], size: [7, 15], stride: [2, 4], everywhere: false, exact: true };

test("what a cell sees is cut off at the edges of the picture", () => {
  assert.deepEqual(fieldBox(SEES, [20, 40], [0, 0]), { left: 0, top: 0, right: 8 / 40, bottom: 4 / 20 });
  assert.deepEqual(fieldBox(SEES, [20, 40], [4, 5]), { left: 13 / 40, top: 5 / 20, right: 28 / 40, bottom: 12 / 20 });
  assert.equal(fieldBox(SEES, [20, 40], [9, 9]).bottom, 1);
});

test("the sentence says how much is seen, and what is seen besides", () => {
  const step = { symbol: "s", title: "Spatial logits", sees: SEES };
  const box = fieldBox(SEES, [20, 40], [4, 5]);
  assert.equal(fieldSentence(step, [4, 5], box), "Spatial logits (s), row 4, column 5: sees 15 × 7 pixels, 13 % of the picture.");
  const whole = { ...step, sees: { ...SEES, everywhere: true } };
  assert.match(fieldSentence(whole, [4, 5], box), /13 % of the picture, and all of it through a mean or an attention before\.$/);
  assert.match(fieldSentence({ ...step, sees: null }, [4, 5], null), /what it sees is not followed here\.$/);
});

test("the picture of all channels comes first, then those that were kept", () => {
  const step = { summary: "norm", channels: [3, 17], shape: [32, 1, 2], size: 2, values: Float32Array.from([1, 2, 3, 4, 5, 6]) };
  assert.equal(pictureFor(step, "all"), 0);
  assert.equal(pictureFor(step, "17"), 2);
  assert.equal(pictureFor(step, "5"), 0);
  assert.deepEqual([...pictureOf(step, 2)], [5, 6]);
  assert.deepEqual([0, 1, 2].map((i) => pictureName(step, i, false)), ["Length over all channels", "Channel 3", "Channel 17"]);
  assert.equal(pictureName({ ...step, summary: "", channels: [8] }, 0, true), "Group 8");
  const pooled = { ...step, symbol: "P", summary: "", channels: [0, 1], shape: [2, 1, 2] }; // of CBAM
  assert.deepEqual([0, 1].map((i) => pictureName(pooled, i, false)), ["Maximum over channels", "Mean over channels"]);
  assert.equal(pictureName({ ...step, summary: "", channels: [0], shape: [1, 1, 2] }, 0, false), "");
});

test("shape and range in a line; without a range the shape alone", () => {
  assert.equal(shapeLine({ shape: [2, 3, 4], range: [-1.5, 2] }), "2 × 3 × 4 · −1.50 to 2.00");
  assert.equal(shapeLine({ shape: [9, 9], range: null }), "9 × 9");
});

test("a step of another number of values is refused", () => {
  const half = btoa("\0".repeat(4)); // two numbers in half precision
  const step = { kind: "maps", grid: [1, 2], count: 1, dtype: "float16", values: half };
  assert.equal(readModule({ steps: [step] }).steps[0].values.length, 2);
  assert.throws(() => readModule({ steps: [{ ...step, count: 2 }] }), /expected 4 float16 numbers, got 4 bytes/);
  assert.equal(readModule({ steps: [{ ...step, values: null }] }).steps[0].values, null);
});

test("energies and vectors of one location: q = (1, 2 | 3, 4), k = (5, 6 | 7, 8)", () => {
  const query = Float32Array.from([1, 2, 3, 4]); // two channels of two locations
  const key = Float32Array.from([5, 6, 7, 8]);
  const position = attention({ query, key, lse: new Float32Array(2), channels: 2, count: 2 });
  const out = new Float32Array(2);
  position.energies(1, out);
  assert.deepEqual([...out], [2 * 5 + 4 * 7, 2 * 6 + 4 * 8]);
  assert.deepEqual([...position.vectors(1).query], [2, 4]);
  assert.deepEqual([...position.vectors(0).key], [5, 7]);
});

test("pictures that follow from another: lines per group, and their sigmoid", () => {
  const halves = btoa(String.fromCharCode(0, 0x3c, 0, 0x40, 0, 0xbc, 0, 0)); // 1, 2 | -1, 0 in half precision
  const shared = { kind: "maps", grid: [1, 2], count: 2, dtype: "float16", summary: "", channels: [0, 1] };
  const n = { ...shared, symbol: "n", values: halves, derived: null };
  const t = { ...shared, symbol: "t", values: null, derived: { from: "n", slope: [3, 0], offset: [-1, 5] } };
  const gate = { ...shared, symbol: "M", values: null, derived: { from: "t", sigmoid: true } };
  const [, logits, gates] = readModule({ steps: [n, t, gate] }).steps;
  assert.deepEqual([...pictureOf(logits, 0)], [2, 5]);
  assert.deepEqual([...pictureOf(logits, 1)], [5, 5]);
  assert.ok(Math.abs(pictureOf(gates, 0)[1] - 1 / (1 + Math.exp(-5))) < 1e-6);
});
