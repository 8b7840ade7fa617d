// The arithmetic behind the other views: gates, bars, differences, linked pictures, zoom, words.

import assert from "node:assert/strict";
import { test } from "node:test";

import { cellIndex, cellSpan, margins, placeOf } from "../../../../attnviz/render/viewer/js/cells.js";
import { barPath, rankedChannels } from "../../../../attnviz/render/viewer/js/channel_chart.js";
import { gateOf, photoPixel, readPayload, strongestChannel } from "../../../../attnviz/render/viewer/js/data.js";
import { difference, sameShape, whyNot } from "../../../../attnviz/render/viewer/js/difference.js";
import { logarithms } from "../../../../attnviz/render/viewer/js/matrix.js";
import { nextStop } from "../../../../attnviz/render/viewer/js/player.js";
import { steppedPoint } from "../../../../attnviz/render/viewer/js/probe.js";
import { valueAt } from "../../../../attnviz/render/viewer/js/scale.js";
import { otherMaps, quantities } from "../../../../attnviz/render/viewer/js/stage_player.js";
import { createSettings, settingsFor } from "../../../../attnviz/render/viewer/js/settings.js";
import { acrossPhotos, firstChoices } from "../../../../attnviz/render/viewer/js/sides.js";
import { everySite, matching } from "../../../../attnviz/render/viewer/js/site_list.js";
import { stagesOf } from "../../../../attnviz/render/viewer/js/stage_groups.js";
import { lacking } from "../../../../attnviz/render/viewer/js/views.js";
import { flatRemark, gammaSentence, stageSentences } from "../../../../attnviz/render/viewer/js/wording.js";
import { clamped, revealing, WHOLE, zoomedAt } from "../../../../attnviz/render/viewer/js/zoom.js";

const stage = (fusion, spatial, logits) => ({ fusion, spatial: { values: Float32Array.from(spatial), grid: [1, spatial.length] }, channelLogit: Float32Array.from(logits) });
const close = (a, b) => assert.ok(Math.abs(a - b) < 1e-6, `${a}, expected ${b}`);

test("a gate joins its logits as the weights were trained: sum or product", () => {
  const sum = gateOf(stage("sum", [0, Math.log(3), -1000], [0, Math.log(3)]), 1);
  [0.75, 0.9, 0].forEach((v, i) => close(sum.values[i], v));
  const product = gateOf(stage("product", [0, 1, -1], [-Math.log(3)]), 0);
  [0.5, 0.25, 0.75].forEach((v, i) => close(product.values[i], v));
  close(product.extent.high, 0.75);
});

test("the strongest channel is the most open one of a sum, the most affected one of a product", () => {
  assert.equal(strongestChannel(stage("sum", [0], [1, -5, 2])), 2);
  assert.equal(strongestChannel(stage("product", [0], [1, -5, 2])), 1);
});

test("channels are ranked from high to low, equal ones in order", () => {
  assert.deepEqual(rankedChannels([0.5, 2, -1, 2]), [1, 3, 0, 2]);
});

test("bars start at zero, also where every number has one sign", () => {
  const both = barPath([1, -1]);
  assert.equal(both.zero, 50);
  assert.equal(both.y(1), 0);
  assert.equal(barPath([3, 2]).zero, 100);
  assert.equal(barPath([-2, -3]).zero, 0);
  assert.equal(barPath([0, 0]).zero, 50);
  assert.equal(barPath([0.5, 0.25], 1).y(0.5), 50);
  assert.equal(barPath([0.5, 2], 1).y(2), 0);
});

test("the pixel of a location is that of its middle, in the photo and not in what the network saw", () => {
  const geometry = { photo: [200, 400], crop: [100, 0, 300, 200], network: [64, 64] };
  assert.deepEqual(photoPixel(geometry, [8, 8], 0), [112, 12]);
  assert.deepEqual(photoPixel(geometry, [8, 8], 63), [287, 187]);
});

test("data of another version is refused with a sentence", () => {
  assert.throws(() => readPayload({ schema: 99 }), /expected data of version 2, got version 99/);
  assert.throws(() => readPayload(null), /got version none/);
});

const map = (values, grid, more = {}) => ({ values, grid, unit: "x", quantity: "effective_gain", quantityName: "an effective gain", aspect: 1.5, ...more });

test("a difference is right minus left, on the finer grid, without interpolation", () => {
  const a = map([1, 2], [1, 2]);
  const b = map([5, 6, 7, 8, 9, 10, 11, 12], [2, 4]);
  const result = difference(a, b);
  assert.deepEqual(result.grid, [2, 4]);
  assert.deepEqual([...result.values], [4, 5, 5, 6, 8, 9, 9, 10]);
  assert.equal(result.unit, "");
  assert.deepEqual([...difference(b, b).values], [0, 0, 0, 0, 0, 0, 0, 0]);
});

test("there is no difference of two quantities or of two shapes, and it says why", () => {
  const a = map([1], [1, 1]);
  assert.equal(whyNot(a, map([1], [1, 1])), "");
  assert.match(whyNot(a, map([1], [1, 1], { quantity: "gate", quantityName: "a gate" })), /A shows an effective gain, B shows a gate/);
  assert.match(whyNot(a, map([1], [1, 1], { aspect: 0.6 })), /different shapes/);
  assert.equal(sameShape(1.5, 1.51), true);
  assert.equal(sameShape(1.5, 1.6), false);
});

test("the value at a point is that of its cell, the last one at the very edge", () => {
  const m = map([1, 2, 3, 4], [2, 2]);
  assert.deepEqual([[0, 0], [0.5, 0], [0.49, 0.5], [1, 1]].map(([u, v]) => valueAt(m, u, v)), [1, 2, 3, 4]);
});

test("linked pictures meet at the same pixel of the photo, whatever each network saw of it", () => {
  const whole = { photo: [100, 200], crop: [0, 0, 200, 100] };
  const middle = { photo: [100, 200], crop: [50, 0, 150, 100] };
  assert.deepEqual(acrossPhotos(whole, middle, 0.5, 0.5), [0.5, 0.5]);
  assert.deepEqual(acrossPhotos(middle, whole, 0, 1), [0.25, 1]);
  assert.equal(acrossPhotos(whole, middle, 0, 0)[0], -0.5);
});

test("two payloads start with the same quantity, one payload with its first and last stage", () => {
  const sides = [1, 2, 3].map((n) => ({ value: `s${n}`, quantity: "effective_gain" }));
  assert.deepEqual(firstChoices(sides, [...sides]).map((s) => s.value), ["s3", "s3"]);
  assert.deepEqual(firstChoices(sides, sides).map((s) => s.value), ["s1", "s3"]);
  const row = { value: "row", quantity: "row" };
  assert.deepEqual(firstChoices([...sides, row], [row]).map((s) => s.value), ["row", "row"]);
});

test("zooming keeps the point under the pointer in its place and never leaves the picture", () => {
  const view = zoomedAt(WHOLE, 2, 0.25, 0.75);
  assert.deepEqual(view, { scale: 2, left: 0.125, top: 0.375 });
  close((0.25 - view.left) * view.scale, 0.25);
  assert.deepEqual(zoomedAt(view, 0.001, 0.5, 0.5), { scale: 1, left: 0, top: 0 });
  assert.equal(zoomedAt(view, 1e9, 0.5, 0.5).scale, 16);
  assert.deepEqual(clamped({ scale: 2, left: 9, top: -9 }), { scale: 2, left: 0.5, top: 0 });
});

test("a point that is out of sight is brought into it, one in sight moves nothing", () => {
  const view = { scale: 4, left: 0, top: 0 };
  assert.deepEqual(revealing(view, 0.2, 0.2), view);
  const moved = revealing(view, 0.9, 0.2);
  assert.ok(moved.left <= 0.9 && moved.left + 0.25 >= 0.9);
  assert.equal(moved.top, 0);
});

test("a logarithmic scale spans six powers of ten, zeros at its foot", () => {
  const logs = logarithms([1, 0.01, 1e-12, 0], 1);
  assert.deepEqual([...logs.values], [0, -2, -6, -6]);
  assert.deepEqual([logs.low, logs.high], [-6, 0]);
});

test("the player starts over after the last stage", () => {
  assert.deepEqual([0, 1, 2].map((i) => nextStop(i, 3)), [1, 2, 0]);
});

test("settings keep to what they know, tell each change once, and forget listeners that left", () => {
  const settings = createSettings({ opacity: 0.3, view: "stages", colormap: undefined });
  settings.fill({ opacity: 0.6, colormap: "viridis", diverging: undefined, view: "position" });
  assert.equal(settings.get("opacity"), 0.3);
  assert.equal(settings.get("colormap"), "viridis");
  assert.equal(settings.get("view"), undefined);
  const life = new AbortController();
  const heard = [];
  settings.subscribe((name, value) => heard.push([name, value]), life.signal);
  settings.set("smooth", true);
  settings.set("smooth", true);
  life.abort();
  settings.set("smooth", false);
  assert.deepEqual(heard, [["smooth", true]]);
});

test("what the data begin with never takes the place of what was chosen", () => {
  const settings = createSettings();
  assert.equal(settings.get("opacity"), undefined);
  settings.fill({ opacity: 0.6 });
  settings.set("opacity", 0.2);
  settings.fill({ opacity: 0.6 });
  assert.equal(settings.get("opacity"), 0.2);
});

test("a view applies by the sites of the network; two sides can be compared where both have maps", () => {
  const [bam, se] = [{ views: ["stages"], maps: [1] }, { views: ["channel"], maps: [] }];
  assert.equal(lacking("stages", bam), null);
  assert.equal(lacking("position", bam), bam);
  assert.equal(lacking("channel", { left: se, right: null }), null);
  assert.equal(lacking("compare", { left: bam, right: null }), null);
  assert.equal(lacking("compare", { left: bam, right: se }), se);
  assert.equal(lacking("compare", se), se);
});

test("viewers with the same link share their looks, others do not", () => {
  const one = settingsFor("a test", { opacity: 0.1 });
  assert.equal(settingsFor("a test", { opacity: 0.9 }), one);
  assert.equal(one.get("opacity"), 0.1);
  assert.notEqual(settingsFor("", {}), settingsFor("", {}));
});

test("what is said of gamma follows from its value", () => {
  assert.match(gammaSentence(0, "this map"), /^γ = 0: the network does not use this map/);
  assert.match(gammaSentence(-0.07, "this map"), /^γ = −0.07: the network hardly uses this map, subtracting/);
  assert.match(gammaSentence(-0.3, "this map"), /subtracted from the features/);
  assert.match(gammaSentence(0.3, "this map"), /this map is added to the features with this weight/);
  assert.match(gammaSentence(1.2, "this map"), /^γ = 1.2: this map is added .* does not prove/);
});

test("a map that hardly varies is called nearly flat, an unbounded one is not judged", () => {
  assert.equal(flatRemark({ low: 1, high: 1.05 }, [1, 2]), "Nearly flat: spans 5.0 % of what is possible.");
  assert.equal(flatRemark({ low: 1, high: 1.5 }, [1, 2]), "");
  assert.equal(flatRemark({ low: 1, high: 1.001 }, [null, null]), "");
});

test("a product of logits is never explained as a sum", () => {
  const sum = Object.values(stageSentences("sum")).flat().join(" ");
  const product = Object.values(stageSentences("product")).flat().join(" ");
  assert.ok(sum.includes("channel + spatial") && !sum.includes("×"));
  assert.ok(product.includes("channel × spatial") && !product.includes("channel + spatial"));
  assert.match(product, /suppress/);
});

test("arrow keys move a point by two percent, with Shift by ten, and never out of the picture", () => {
  const near = (a, b) => a.forEach((x, i) => close(x, b[i]));
  near(steppedPoint([0.5, 0.5], "ArrowRight", false), [0.52, 0.5]);
  near(steppedPoint([0.5, 0.5], "ArrowUp", true), [0.5, 0.4]);
  near(steppedPoint([0.01, 0.995], "ArrowLeft", false), [0, 0.995]);
  assert.ok(steppedPoint([0.5, 0.995], "ArrowDown", true)[1] < 1);
  assert.equal(steppedPoint([0.5, 0.5], "Enter", false), null);
});

test("the big picture goes through every quantity a network has, gates with the channels chosen now", () => {
  const entry = (label, kind, n) => ({ label, kind, title: label, stage: n, grid: [1, 1], values: Float32Array.from([n]) });
  const bam = { ...stage("sum", [0], [0, Math.log(3)]), stage: 1, gain: entry("stage1.gain", "effective_gain", 1) };
  bam.spatial = { ...bam.spatial, label: "stage1.spatial_logit" };
  const other = entry("layer1.gate", "spatial_gate", 1);
  const data = { stages: [bam], maps: new Map([bam.gain, bam.spatial, other, entry("r", "position_received", 1)].map((m) => [m.label, m])) };
  const gates = [{ stage: bam, channel: 0 }];
  const list = quantities(data, gates);
  assert.deepEqual(list.map((q) => q.label), ["Effective gain", "Spatial logit", "Gate", "Spatial gate"]);
  assert.deepEqual(otherMaps(data).map((m) => m.label), ["layer1.gate"]);
  close(list[2].maps()[0].values[0], 0.5);
  gates[0].channel = 1;
  close(list[2].maps()[0].values[0], 0.75);
});

test("stages are those a network counts, else one for each size of its features, any number", () => {
  const gate = (label, stage, stride) => ({ label, stage, stride });
  const own = [gate("a", null, 4), gate("b", null, 8), gate("c", null, 4), gate("d", 2, 8)];
  assert.deepEqual(stagesOf(own).map(({ name, entries }) => [name, entries.map(({ label }) => label)]), [
    ["Stride 4", ["a", "c"]],
    ["Stride 8", ["b"]],
    ["Stage 2", ["d"]],
  ]);
});

test("every site is listed once in the order of its number, and found by any words of it", () => {
  const range = { low: 0, high: 1 };
  const map = (label, kind) => [label, { label, kind, grid: [2, 3], stride: 8, unit: "gate", extent: range }];
  const data = {
    maps: new Map([map("layer10.gate", "spatial_gate"), map("layer2.gate", "spatial_gate"), map("x.received", "position_received")]),
    channelGates: [{ label: "layer2.se", count: 16, stride: 4, extent: range }],
    positions: [{ label: "x", kind: "attention", grid: [2, 3], heads: 4, stride: 16 }, { label: "rollout", kind: "rollout", grid: [2, 3], heads: 1 }],
    cross: [{ label: "y", kind: "cross", grid: [2, 3], queries: [7, 1], heads: 2, stride: 16 }],
  };
  const sites = everySite(data);
  assert.deepEqual(sites.map(({ label, view }) => [label, view]), [["layer2.gate", "stages"], ["layer2.se", "channel"], ["layer10.gate", "stages"], ["x", "position"], ["y", "cross"]]);
  assert.equal(sites[3].size, "2 × 3, 4 heads");
  assert.equal(sites[4].size, "7 queries, 2 × 3");
  const found = (search) => matching(sites, search).map(({ label }) => label);
  assert.deepEqual(found("LAYER2 spatial"), ["layer2.gate"]);
  assert.deepEqual(found("  stride 16 "), ["x", "y"]);
  assert.deepEqual(found("layer2 nothing"), []);
  assert.equal(found("").length, 5);
});

test("two layers begin with the one that is shown first, and one payload's maps before what must be fetched", () => {
  const row = (value, first) => ({ value, quantity: "row", live: true, first });
  assert.deepEqual(firstChoices([row("a"), row("b", true)], [row("c")]).map((s) => s.value), ["b", "c"]);
  const sides = [{ value: "m" }, { value: "n" }, row("a"), row("b")];
  assert.deepEqual(firstChoices(sides, sides).map((s) => s.value), ["m", "n"]);
});

// what the cells of a map of 2 x 4 at stride 4 see of 8 x 16 pixels: the first has its middle on pixel 0
const SEES = { start: [-5, -5], size: [11, 11], stride: [4, 4], everywhere: false, exact: true };
const GEOMETRY = { photo: [16, 32], crop: [0, 0, 32, 16], network: [8, 16] };
const centers = () => placeOf({ sees: SEES }, createSettings({ cells: "centers" }), GEOMETRY);

test("cells lie where they look only where that is wanted and known", () => {
  assert.equal(placeOf({ sees: SEES }, createSettings({ cells: "tiles" }), GEOMETRY), null);
  assert.equal(placeOf({ sees: null }, createSettings({ cells: "centers" }), GEOMETRY), null);
  assert.equal(placeOf(undefined, createSettings({ cells: "centers" }), GEOMETRY), null);
  const place = centers();
  assert.deepEqual([place.start[1] * 16, place.step[1] * 16], [-1.5, 4]);
});

test("a cell around the middle of what it sees; the outermost reach to the edges, as on the server", () => {
  const place = centers();
  assert.deepEqual([0, 1, 2, 3].map((i) => cellSpan(i, 4, 1, place).map((x) => 16 * x)), [[0, 2.5], [2.5, 6.5], [6.5, 10.5], [10.5, 16]]);
  assert.deepEqual(Array.from({ length: 16 }, (_, x) => cellIndex((x + 0.5) / 16, 4, 1, place)), [0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3]);
  assert.deepEqual(margins(4, 1, place), [0, 1]);
  assert.deepEqual([cellSpan(1, 4, 1, null), cellIndex(0.3, 4, 1, null), margins(4, 1, null)], [[0.25, 0.5], 1, [0, 0]]);
});

test("values and pixels are read where cells are drawn", () => {
  const map = { values: [1, 2, 3, 4, 5, 6, 7, 8], grid: [2, 4], place: centers() };
  assert.deepEqual([2.4, 2.6].map((x) => valueAt(map, x / 16, 0)), [1, 2]);
  assert.deepEqual(photoPixel(GEOMETRY, [2, 4], 5, centers()), [9, 9]); // the middle of pixel 4 at two photo pixels each
  assert.deepEqual(photoPixel(GEOMETRY, [2, 4], 5), [12, 12]);
});

test("a difference is taken cell by cell, and lies where the finer map does", () => {
  const [a, b] = [0, 1].map((i) => ({ values: Float32Array.from([i, 2 * i, 3 * i, 4 * i]), grid: [1, 4], unit: "", place: centers() }));
  const found = difference(a, b);
  assert.deepEqual([...found.values], [1, 2, 3, 4]);
  assert.equal(found.place, b.place);
});
