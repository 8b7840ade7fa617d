// Maps on canvases of exactly one pixel per location: enlarging is left to CSS, which adds no numbers.

import { colorize } from "./color.js";

/** Paints a map, one canvas pixel per location; the scale is {low, high}, or one from `spreadOver`. */
export function paintMap(canvas, values, grid, scale, table) {
  const [rows, columns] = grid;
  if (canvas.width !== columns || canvas.height !== rows) {
    canvas.width = columns;
    canvas.height = rows;
  }
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  colorize(values, scale.low, scale.high, table, image.data, scale);
  context.putImageData(image, 0, 0);
}
