// Numbers for people.

import { t, word } from "./language.js";

/** Three significant digits, with a real minus sign; very large and very small ones in powers of ten. */
export function number(value) {
  if (!Number.isFinite(value)) return t`not a number`;
  if (value === 0) return "0";
  const size = Math.abs(value);
  let text;
  if (size >= 1e5 || size < 1e-4) {
    const [digits, power] = value.toExponential(1).split("e");
    text = `${digits} × 10${superscript(Number(power))}`;
  } else {
    text = String(Number(value.toPrecision(3)));
  }
  return text.replace(/^-/, "−");
}

function superscript(power) {
  const digits = "⁰¹²³⁴⁵⁶⁷⁸⁹";
  return String(power).replace("-", "⁻").replace(/\d/g, (d) => digits[Number(d)]);
}

/** A share of 1 as a percentage; "0 %" only for nothing at all. */
export function percent(share) {
  if (!Number.isFinite(share)) return t`not a number`;
  if (share === 0) return "0 %";
  const value = 100 * share;
  if (value < 1 && value > -1) return `${number(Number(value.toPrecision(2)))} %`;
  const round = Math.abs(value) >= 10 && !(value > 99.5 && value < 100);
  return `${value.toFixed(round ? 0 : 1).replace("-", "−")} %`;
}

/** How to write both ends of a range alike: with as many decimals as tell them apart, at most six. */
export function writerFor(low, high) {
  const span = high - low;
  const most = Math.max(Math.abs(low), Math.abs(high));
  if (!(span > 1e-6) || most >= 1e5) return number;
  const decimals = Math.min(Math.max(2 - Math.floor(Math.log10(span)), 0), 6);
  return (value) => value.toFixed(decimals).replace(/^-(?=.*[1-9])/, "−").replace(/^-/, "");
}

/** "−1.20 to 3.40 logit", "×1.00 to ×1.30". */
export function range(low, high, unit) {
  const write = writerFor(low, high);
  if (unit === "share") return t`${percent(low)} to ${percent(high)}`;
  if (isGain(unit)) return t`×${write(low)} to ×${write(high)}`;
  return t`${write(low)} to ${write(high)}${unit ? ` ${word(unit)}` : ""}`;
}

/** A number with its unit. */
export function withUnit(value, unit, write = number) {
  if (unit === "share") return percent(value);
  if (isGain(unit)) return `×${write === number ? value.toFixed(3) : write(value)}`;
  return unit ? `${write(value)} ${word(unit)}` : write(value);
}

/** A map's own numbers, in one line: "raw ×1.00 to ×1.30, mean ×1.02". */
export function rawLine({ values, extent, unit }) {
  const write = writerFor(extent.low, extent.high);
  const bare = isGain(unit) || unit === "share" ? unit : "";
  return t`raw ${range(extent.low, extent.high, unit)}, mean ${withUnit(mean(values), bare, write)}`;
}

/** Arithmetic mean. */
export function mean(values) {
  let total = 0;
  for (const value of values) total += value;
  return total / values.length;
}

/** Whether a unit is that of a gain: what something is multiplied by. */
export function isGain(unit) {
  return unit === "x" || unit === "×";
}
