// From numbers to colours and words.

import assert from "node:assert/strict";
import { test } from "node:test";

import { colorize, gradient } from "../../../../attnviz/render/viewer/js/color.js";
import { bytes, classes, floats, fromHalf, halves } from "../../../../attnviz/render/viewer/js/decode.js";
import { mean, number, percent, range, rawLine, withUnit } from "../../../../attnviz/render/viewer/js/format.js";
import { lookOf, mapScale } from "../../../../attnviz/render/viewer/js/map_scale.js";
import { extent, innerExtent, placeOn, scaleFor, spreadOver, symmetric, union } from "../../../../attnviz/render/viewer/js/scale.js";
import { createSettings } from "../../../../attnviz/render/viewer/js/settings.js";

const base64 = (typed) => Buffer.from(typed.buffer, typed.byteOffset, typed.byteLength).toString("base64");

const GREYS = Uint8Array.from({ length: 768 }, (_, i) => Math.floor(i / 3));

/** The number of the colour that each value is painted in. */
function painted(values, low, high) {
  const rgba = new Uint8ClampedArray(4 * values.length);
  colorize(values, low, high, GREYS, rgba);
  return values.map((_, i) => rgba[4 * i]);
}

test("a value has colour min(floor(256 v), 255), as on the server", () => {
  assert.deepEqual(painted([0, 1 / 256, 0.5, 1, -5, 5], 0, 1), [0, 1, 128, 255, 0, 255]);
  assert.deepEqual(painted([-1.5, -1, 0.5, 1.999, 2, 7], -1, 2), [0, 0, 128, 255, 255, 255]);
});

test("every painted pixel is opaque", () => {
  const rgba = new Uint8ClampedArray(4);
  colorize([0.5], 0, 1, GREYS, rgba);
  assert.deepEqual([...rgba], [128, 128, 128, 255]);
});

test("a flat map gets the middle colour, neither low nor high, as on the server; so does its bar", () => {
  assert.deepEqual(painted([3, 3], 3, 3), [128, 128]);
  const stops = (low, high) => new Set(gradient(GREYS, low, high).match(/rgb\([^)]*\)/g));
  assert.deepEqual([...stops(3, 3)], ["rgb(128,128,128)"]);
  assert.ok(stops(3, 4).has("rgb(0,0,0)") && stops(3, 4).has("rgb(255,255,255)"));
});

test("float32 comes through exactly, and a wrong length is refused", () => {
  const numbers = Float32Array.from([0, -1.5, 3.4e38, 1e-45, Math.PI]);
  assert.deepEqual(floats(base64(numbers), 5), numbers);
  assert.throws(() => floats(base64(numbers), 4), RangeError);
  assert.throws(() => floats(base64(numbers).slice(0, 24), 5), RangeError);
  assert.deepEqual([...bytes("AAEC/w==")], [0, 1, 2, 255]);
});

test("numbers of classes come in one byte or in two", () => {
  assert.deepEqual(classes(base64(Uint8Array.from([0, 255])), "uint8"), Uint8Array.from([0, 255]));
  assert.deepEqual(classes(base64(Uint16Array.from([1, 256, 65535])), "uint16"), Uint16Array.from([1, 256, 65535]));
  assert.throws(() => classes("AAA=", "int64"), /expected classes as uint8 or uint16, got int64/);
});

test("half precision follows IEEE 754", () => {
  const known = [[0x0000, 0], [0x3c00, 1], [0xc000, -2], [0x3555, 0.333251953125], [0x0001, 2 ** -24], [0x7bff, 65504], [0x7c00, Infinity], [0xfc00, -Infinity]];
  for (const [bits, value] of known) assert.equal(fromHalf(bits), value);
  assert.ok(Number.isNaN(fromHalf(0x7e00)));
  assert.deepEqual([...halves(base64(Uint16Array.from([0x3c00, 0xc000])), 2)], [1, -2]);
  assert.throws(() => halves("AAA=", 2), RangeError);
});

test("numbers keep three digits and a real minus sign", () => {
  assert.equal(number(0), "0");
  assert.equal(number(-0.0673), "−0.0673");
  assert.equal(number(1234.5), "1230");
  assert.equal(number(0.00012), "0.00012");
  assert.equal(number(-4.2e-7), "−4.2 × 10⁻⁷");
  assert.equal(number(1.5e12), "1.5 × 10¹²");
  assert.equal(number(NaN), "not a number");
});

test("a share is nothing only when it is nothing, and everything only when it is everything", () => {
  assert.equal(percent(0), "0 %");
  assert.equal(percent(1e-7), "1.0 × 10⁻⁵ %");
  assert.equal(percent(0.0042), "0.42 %");
  assert.equal(percent(0.0312), "3.1 %");
  assert.equal(percent(0.617), "62 %");
  assert.equal(percent(0.997), "99.7 %");
  assert.equal(percent(1), "100 %");
  assert.equal(percent(-0.25), "−25 %");
  assert.equal(percent(-0.0051), "−0.51 %");
});

test("both ends of a range are written alike, with what tells them apart", () => {
  assert.equal(range(1, 1.3008, "x"), "×1.000 to ×1.301");
  assert.equal(range(-3.004, 1.39, "logit"), "−3.00 to 1.39 logit");
  assert.equal(range(-0.0001, 5, ""), "0.00 to 5.00");
  assert.equal(range(2, 2, "logit"), "2 to 2 logit");
  assert.equal(range(0, 0.0312, "share"), "0 % to 3.1 %");
  assert.equal(withUnit(1.5, "x"), "×1.500");
  assert.equal(withUnit(-0.25, "logit"), "−0.25 logit");
  assert.equal(mean([1, 2, 6]), 3);
  assert.equal(rawLine({ values: [1, 1.5], extent: { low: 1, high: 1.5 }, unit: "×" }), "raw ×1.000 to ×1.500, mean ×1.250");
  assert.equal(rawLine({ values: [-1, 2], extent: { low: -1, high: 2 }, unit: "logit" }), "raw −1.00 to 2.00 logit, mean 0.50");
});

test("scaling is per picture, shared among peers, or all that is possible", () => {
  const peers = [extent([1, 2]), extent([-1, 0.5])];
  assert.deepEqual(scaleFor(peers[0], peers, [0, 9], "each"), { low: 1, high: 2 });
  assert.deepEqual(scaleFor(peers[0], peers, [0, 9], "shared"), { low: -1, high: 2 });
  assert.deepEqual(scaleFor(peers[0], peers, [0, 9], "full"), { low: 0, high: 9 });
  assert.deepEqual(scaleFor(peers[0], peers, [null, null], "full"), { low: -1, high: 2 });
  assert.deepEqual(scaleFor(peers[0], peers, [0, null], "full"), { low: -1, high: 2 });
  assert.deepEqual(union(peers), { low: -1, high: 2 });
  assert.deepEqual(symmetric({ low: -3, high: 2 }), { low: -3, high: 3 });
  assert.deepEqual(symmetric({ low: 1, high: 2 }), { low: -2, high: 2 });
});

const LOG = { spread: "log", opacityBy: "value" };

test("a logarithmic scale ends a thousandth below its top, and says what lies below", () => {
  assert.deepEqual(spreadOver({ low: 0, high: 2 }, { low: 0, high: 2 }, LOG), { low: 0.002, high: 2, log: true, fades: true, below: true, above: false });
  const whole = spreadOver({ low: 0.5, high: 2 }, { low: 0.5, high: 2 }, LOG);
  assert.deepEqual([whole.low, whole.below], [0.5, false]);
  for (const [low, high] of [[-1, 2], [0, 0], [3, 3]]) {
    const scale = spreadOver({ low, high }, { low, high }, LOG);
    assert.deepEqual([scale.log, scale.low, scale.high], [false, low, high]);
  }
});

test("on a logarithmic scale equal factors are equal steps", () => {
  const scale = { low: 0.001, high: 1, log: true };
  const places = [0, 1e-9, 0.001, 0.01, 0.1, 1, 5].map((value) => placeOn(scale, value));
  places.forEach((place, i) => assert.ok(Math.abs(place - [0, 0, 0, 1 / 3, 2 / 3, 1, 1][i]) < 1e-12));
  assert.equal(placeOn({ low: 2, high: 2 }, 2), 0.5);
  assert.equal(placeOn({ low: 0, high: 4 }, 1), 0.25);
});

test("percentiles are NumPy's, and the extent where they are one", () => {
  assert.deepEqual(innerExtent(Float32Array.from({ length: 101 }, (_, i) => i)), { low: 1, high: 99 });
  assert.deepEqual(innerExtent([0, 10]), { low: 0.1, high: 9.9 });
  const spike = new Float32Array(1000);
  spike[7] = 3;
  assert.deepEqual(innerExtent(spike), { low: 0, high: 3 });
});

test("where the opacity follows the value, the low end is not there and the high end opaque", () => {
  const rgba = new Uint8ClampedArray(16);
  colorize([0, 0.25, 0.5, 1], 0, 1, GREYS, rgba, { fades: true });
  assert.deepEqual([...rgba].filter((_, i) => i % 4 === 3), [0, 64, 128, 255]);
  assert.deepEqual([...rgba].filter((_, i) => i % 4 === 0), [0, 64, 128, 255]);
  assert.match(gradient(GREYS, 0, 1, true), /rgba?\(0,0,0,0\.000\) 0\.0%.*rgba?\(255,255,255,1\.000\) 100\.0%\), repeating-conic-gradient/);
});

test("position attention has looks of its own, each of which a setting holds", () => {
  const settings = createSettings({ attention_spread: "log", attention_opacity_by: "value", map_spread: "percentile" });
  for (const kind of ["row", "column", "token", "position_received", "rollout_row"]) assert.deepEqual(lookOf(settings, kind), LOG);
  for (const kind of ["effective_gain", "gate", undefined]) assert.deepEqual(lookOf(settings, kind), { spread: "percentile", opacityBy: "even" });
  const values = Float32Array.from({ length: 101 }, (_, i) => i - 50);
  const map = { values, extent: { low: -50, high: 50 }, bounds: [-100, 100], kind: "spatial_logit" };
  assert.deepEqual(mapScale(map, [map], settings, "each"), { low: -49, high: 49, log: false, fades: false, below: true, above: true });
  assert.deepEqual(mapScale(map, [map], settings, "full"), { low: -100, high: 100, log: false, fades: false, below: false, above: false });
});
