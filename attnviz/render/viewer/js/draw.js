// Maps on canvases of exactly one pixel per location: enlarging is left to CSS, which adds no numbers.

import { margins } from "./cells.js";
import { colorize } from "./color.js";

/**
 * Paints a map, one canvas pixel per location.
 *
 * @param scale {low, high}, or one from `spreadOver`.
 * @param place Where its cells lie, as in cells.js; the canvas is moved there, its outermost pixels repeated to the edges.
 */
export function paintMap(canvas, values, grid, scale, table, place = null) {
  const [[top, bottom], [left, right]] = [0, 1].map((axis) => margins(grid[axis], axis, place));
  const [rows, columns] = [top + grid[0] + bottom, left + grid[1] + right];
  if (canvas.width !== columns || canvas.height !== rows) {
    canvas.width = columns;
    canvas.height = rows;
  }
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  const shown = place ? repeated(values, grid, { top, left, rows, columns }) : values;
  colorize(shown, scale.low, scale.high, table, image.data, scale);
  context.putImageData(image, 0, 0);
  moveTo(canvas, place, { top, left, rows, columns });
}

function repeated(values, [height, width], { top, left, rows, columns }) {
  const inside = (index, count) => Math.min(Math.max(index, 0), count - 1);
  return Float32Array.from({ length: rows * columns }, (_, i) => {
    const row = inside(Math.floor(i / columns) - top, height);
    return values[row * width + inside((i % columns) - left, width)];
  });
}

/** Lays the canvas where its cells lie, and cuts off what reaches beyond the picture. */
function moveTo({ style }, place, { top, left, rows, columns }) {
  for (const name of ["top", "left", "width", "height", "clipPath"]) style[name] = "";
  if (!place) return;
  const [y, x] = [place.start[0] - top * place.step[0], place.start[1] - left * place.step[1]];
  const [height, width] = [rows * place.step[0], columns * place.step[1]];
  const percent = (share) => `${(100 * share).toFixed(4)}%`;
  Object.assign(style, { top: percent(y), left: percent(x), width: percent(width), height: percent(height) });
  const beyond = [-y / height, (x + width - 1) / width, (y + height - 1) / height, -x / width];
  style.clipPath = `inset(${beyond.map((share) => percent(Math.max(0, share))).join(" ")})`;
}
