// From the payload's base64 to typed arrays. Numbers are little-endian, in C order.

import { t } from "./language.js";

/** Base64 -> Uint8Array. */
export function bytes(base64) {
  const text = atob(base64);
  const out = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) out[i] = text.charCodeAt(i);
  return out;
}

/** Base64 of float32 -> Float32Array of `count` numbers; throws when there are more or fewer. */
export function floats(base64, count) {
  const raw = bytes(base64);
  if (raw.length !== 4 * count) throw new RangeError(t`expected ${count} float32 numbers, got ${raw.length} bytes`);
  if (LITTLE) return new Float32Array(raw.buffer);
  const view = new DataView(raw.buffer);
  return Float32Array.from({ length: count }, (_, i) => view.getFloat32(4 * i, true));
}

/** Base64 of float16 -> Float32Array. */
export function halves(base64, count) {
  const raw = bytes(base64);
  if (raw.length !== 2 * count) throw new RangeError(t`expected ${count} float16 numbers, got ${raw.length} bytes`);
  const view = new DataView(raw.buffer);
  const numbers = everyHalf();
  const out = new Float32Array(count);
  for (let i = 0; i < count; i += 1) out[i] = numbers[view.getUint16(2 * i, true)];
  return out;
}

let known = null;

/** What each of the 65,536 float16 bit patterns stands for: looking up takes a tenth of working out. */
function everyHalf() {
  known ||= Float32Array.from({ length: 2 ** 16 }, (_, bits) => fromHalf(bits));
  return known;
}

/** Base64 of the numbers of classes, "uint8" or "uint16" -> typed array. */
export function classes(base64, dtype) {
  const raw = bytes(base64);
  if (dtype === "uint8") return raw;
  if (dtype !== "uint16") throw new RangeError(t`expected classes as uint8 or uint16, got ${dtype}`);
  const view = new DataView(raw.buffer);
  return Uint16Array.from({ length: raw.length / 2 }, (_, i) => view.getUint16(2 * i, true));
}

/** A float16's bits -> number (IEEE 754). */
export function fromHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const LITTLE = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** A map of the payload with its values read; read once, kept on first use. */
export function readMap(entry) {
  const [rows, columns] = entry.grid;
  const read = entry.dtype === "float16" ? halves : floats;
  return { ...entry, values: read(entry.values, rows * columns) };
}
