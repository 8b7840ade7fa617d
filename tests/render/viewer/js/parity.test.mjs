// The browser's numbers beside the server's: the file named by ATTNVIZ_PARITY holds a payload and what Python computed.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { floats } from "../../../../attnviz/render/viewer/js/decode.js";
import { gateOf, readPayload } from "../../../../attnviz/render/viewer/js/data.js";

const file = process.env.ATTNVIZ_PARITY;
const skip = file ? false : "ATTNVIZ_PARITY names no file; run it through pytest";
const { payload, expected } = file ? JSON.parse(readFileSync(file, "utf8")) : {};

const TOLERANCE = 1e-3; // absolute for shares, relative to the largest one besides

function same(actual, wanted, what) {
  const largest = wanted.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  actual.forEach((value, i) => {
    const off = Math.abs(value - wanted[i]);
    assert.ok(off <= TOLERANCE * largest, `${what}[${i}]: ${value}, the server has ${wanted[i]}`);
  });
}

test("rows and columns equal the server's", { skip }, () => {
  const [position] = readPayload(payload.danet).positions;
  const out = new Float32Array(position.count);
  for (const { cell, row, column } of expected.cells) {
    position.row(cell, out);
    same(out, floats(row, position.count), `row ${cell}`);
    position.column(cell, out);
    same(out, floats(column, position.count), `column ${cell}`);
  }
});

test("the server's log-sum-exp is that of the browser's own row, at every location", { skip }, () => {
  const [position] = readPayload(payload.danet).positions;
  const [row, column] = [0, 1].map(() => new Float32Array(position.count));
  const at = expected.cells[0].cell;
  position.column(at, column); // by the server's log-sum-exp
  for (let cell = 0; cell < position.count; cell += 1) {
    position.row(cell, row); // by its own
    const off = Math.log(row[at]) - Math.log(column[cell]);
    assert.ok(Math.abs(off) <= TOLERANCE, `log-sum-exp ${cell} is off by ${off}`);
  }
});

test("gates equal the server's, by sum and by product", { skip }, () => {
  for (const name of ["sum", "product"]) {
    const data = readPayload(payload[name]);
    expected[name].forEach(({ channel, gate }, i) => {
      const own = gateOf(data.stages[i], channel);
      same(own.values, floats(gate, own.values.length), `${name} stage ${i + 1}`);
    });
  }
});

test("gates per channel and several attentions arrive with their names", { skip }, () => {
  const data = readPayload(payload.many);
  assert.deepEqual(data.positions.map((p) => [p.label, p.title, p.grid]), expected.many.positions);
  assert.deepEqual(data.channelGates.map((g) => [g.label, g.title, g.stage, g.stride, g.count]), expected.many.gates);
  data.channelGates.forEach((gate, i) => assert.deepEqual(gate.values, floats(expected.many.values[i], gate.count)));
  assert.deepEqual([...data.segmentation.cells], expected.many.classes);
});

test("maps, classes and channels arrive whole", { skip }, () => {
  const data = readPayload(payload.danet);
  assert.deepEqual([...data.maps.keys()], expected.maps);
  assert.deepEqual([...data.segmentation.cells], expected.classes);
  assert.equal(data.channel.matrix.length, data.channel.count ** 2);
  for (let row = 0; row < data.channel.count; row += 1) {
    const sum = data.channel.matrix.subarray(row * data.channel.count, (row + 1) * data.channel.count).reduce((a, b) => a + b, 0);
    assert.ok(Math.abs(sum - 1) < 1e-4);
  }
});
