// Numbers for people.

/** Three significant digits, with a real minus sign; very large and very small ones in powers of ten. */
export function number(value) {
  if (!Number.isFinite(value)) return "not a number";
  if (value === 0) return "0";
  const size = Math.abs(value);
  let text;
  if (size >= 1e5 || size < 1e-3) {
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

/** A share of 1 as a percentage; never "0 %" for something that is not zero. */
export function percent(share) {
  if (!Number.isFinite(share)) return "not a number";
  if (share === 0) return "0 %";
  const value = 100 * share;
  if (value < 0.01) return "< 0.01 %";
  if (value < 1) return `${Number(value.toPrecision(2))} %`;
  if (value < 10) return `${value.toFixed(1)} %`;
  return value > 99.5 && value < 100 ? `${value.toFixed(1)} %` : `${Math.round(value)} %`;
}

/** "−1.2 to 3.4 logit". */
export function range(low, high, unit) {
  return `${number(low)} to ${number(high)}${unit ? ` ${unitName(unit)}` : ""}`;
}

/** The unit as it stands after a number. */
export function unitName(unit) {
  return unit === "x" ? "×" : unit;
}
