// A C x C matrix as a picture that can be read: hover, arrow keys, zoom; linear or logarithmic colours.

import { arrow, neighbour } from "./cells.js";
import { segmented } from "./controls.js";
import { el, oncePerFrame } from "./dom.js";
import { paintMap } from "./draw.js";
import { number, percent } from "./format.js";
import { t } from "./language.js";
import { cellAt, createBar, placeBox } from "./picture.js";
import { createAnnouncer } from "./readout.js";
import { Zoom } from "./zoom.js";

const DECADES = 6; // of a logarithmic scale: smaller shares are drawn as the smallest
const SCALES = [
  { value: "linear", label: t`Linear`, title: t`From 0 to the largest share` },
  { value: "log", label: t`Logarithmic`, title: t`${DECADES} powers of ten below the largest share` },
];

/** Base-10 logarithms, at least `DECADES` below the largest. */
export function logarithms(values, high) {
  const floor = Math.log10(high) - DECADES;
  return { values: Float32Array.from(values, (v) => (v > 0 ? Math.max(Math.log10(v), floor) : floor)), low: floor, high: Math.log10(high) };
}

/** The channel matrix; calls `onPick(channel)` when a row is chosen. */
export function createMatrix(context, channel, onPick) {
  const { signal } = context;
  const zoom = new Zoom(signal);
  const announcer = createAnnouncer(signal);
  const picture = createPicture(context, channel);
  const readout = el("p", { class: "av-readout__line" }, t`Row: the channel that is rewritten. Column: the channel it draws from.`);
  const { count, matrix } = channel;
  let at = 0;
  const tell = oncePerFrame(() => {
    const [row, column] = [Math.floor(at / count), at % count];
    picture.point(at);
    readout.textContent = t`Channel ${row} draws ${percent(matrix[at])} from channel ${column}.`;
    announcer.say(readout.textContent);
    zoom.reveal((column + 0.5) / count, (row + 0.5) / count);
  }, signal);
  listen(picture.content, { count, zoom, signal, onPick, at: () => at, moveTo: (cell) => { at = cell; tell(); } });
  const scale = segmented({ label: t`Matrix colours`, options: SCALES, value: "linear", onChange: (value) => picture.setScale(value), signal });
  return {
    root: el("section", { class: "av-matrix", "aria-label": t`Channel matrix` },
      el("h2", { class: "av-heading" }, t`Who draws from whom`),
      el("div", { class: "av-toolbar" }, scale.root, zoom.controls),
      zoom.frame(picture.content), picture.bar, readout, announcer.root, el("p", { class: "av-meta" }, rangeLine(channel))),
    paint: picture.paint,
    show: picture.band,
  };
}

function rangeLine({ count, matrixExtent, matrix_dtype: dtype }) {
  const half = dtype === "float16" ? t` Sent in half precision: three digits hold.` : "";
  return t`${count} × ${count} shares, ${number(matrixExtent.low)} to ${number(matrixExtent.high)}; each row makes 1.${half}`;
}

/** The matrix on a canvas, with a cursor and a band over the chosen row. */
function createPicture({ settings, colormaps }, { count, matrix, matrixExtent }) {
  const grid = [count, count];
  const canvas = el("canvas", { class: "av-matrix__canvas", "aria-hidden": "true" });
  const cursor = el("span", { class: "av-cursor", "aria-hidden": "true", hidden: true });
  const band = el("span", { class: "av-matrix__band", "aria-hidden": "true" });
  const label = t`Channel matrix, ${count} by ${count}: arrow keys move, Enter chooses the row's channel, plus and minus zoom`;
  const content = el("div", { class: "av-matrix__content", role: "application", tabindex: 0, "aria-label": label }, canvas, band, cursor);
  const bar = createBar();
  let logs = null; // made when first asked for
  let logarithmic = false;

  function paint() {
    const table = colormaps.get(settings.get("colormap")).table;
    if (logarithmic) logs = logs || logarithms(matrix, matrixExtent.high);
    const scale = logarithmic ? logs : { low: 0, high: matrixExtent.high };
    paintMap(canvas, logarithmic ? logs.values : matrix, grid, scale, table);
    bar.paint(scale, table, "", logarithmic ? (v) => percent(10 ** v) : percent);
  }

  return {
    content,
    bar: bar.root,
    paint,
    setScale(value) {
      logarithmic = value === "log";
      paint();
    },
    point(cell) {
      cursor.hidden = false;
      placeBox(cursor, grid, cell);
    },
    /** Marks the row of a channel. */
    band(row) {
      band.style.top = `${(100 * row) / count}%`;
      band.style.height = `${100 / count}%`;
    },
  };
}

/** Pointer and keys on the matrix. */
function listen(content, { count, zoom, signal, onPick, at, moveTo }) {
  const grid = [count, count];
  content.addEventListener("pointermove", (event) => {
    const cell = cellAt(event, content, grid);
    if ((event.buttons === 0 || !zoom.enlarged) && cell >= 0 && cell !== at()) moveTo(cell);
  }, { signal });
  content.addEventListener("click", (event) => {
    const cell = cellAt(event, content, grid);
    if (cell < 0) return;
    moveTo(cell);
    onPick(Math.floor(cell / count));
  }, { signal });
  content.addEventListener("keydown", (event) => {
    const next = afterKey(event, at(), count);
    if (next !== at()) moveTo(next);
    else if (event.key === "Enter") onPick(Math.floor(at() / count));
    else if (!zoom.onKey(event.key)) return;
    event.preventDefault();
  }, { signal });
}

function afterKey({ key, shiftKey }, at, count) {
  const far = shiftKey ? 8 : 1;
  const step = arrow(key);
  return step ? neighbour(at, [count, count], far * step[0], far * step[1]) : at;
}
