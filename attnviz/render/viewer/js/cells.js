// Where the cells of a map lie on the picture: as even tiles, or each around the middle of what it sees.
//
// A place is null for tiles, else {start: [y, x], step: [y, x]} in shares of the picture: along each axis cell i lies from
// start + i * step to start + (i + 1) * step, and the outermost ones reach to the edge.

/** The place of a map's cells as the settings want it; `sees` of a map is as the payload tells it, or nothing. */
export function placeOf({ sees } = {}, settings, { network }) {
  if (settings.get("cells") !== "centers" || !sees) return null;
  const start = (i) => (sees.start[i] + (sees.size[i] - sees.stride[i]) / 2) / network[i];
  return { start: [start(0), start(1)], step: [sees.stride[0] / network[0], sees.stride[1] / network[1]] };
}

/** The map with its place, for everything that draws or reads it. */
export function placed(map, settings, geometry) {
  return { ...map, place: placeOf(map, settings, geometry) };
}

/** Where the cells of the attention on the screen lie, as in cells.js. */
export function placeOfQuery({ data, settings, position }) {
  return placeOf(data.maps.get(position.received), settings, data.geometry);
}

/** Number of the cell that lies at a share of the picture; axis 0 is down, 1 across. */
export function cellIndex(share, count, axis, place) {
  const at = place ? (share - place.start[axis]) / place.step[axis] : share * count;
  return Math.min(Math.max(Math.floor(at), 0), count - 1);
}

/** Shares of the picture that a cell lies between, [from, to]. */
export function cellSpan(index, count, axis, place) {
  if (!place) return [index / count, (index + 1) / count];
  const edge = (i) => Math.min(Math.max(place.start[axis] + i * place.step[axis], 0), 1);
  return [index === 0 ? 0 : edge(index), index === count - 1 ? 1 : edge(index + 1)];
}

const ARROWS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

/** Cells [down, right] that an arrow key goes; undefined for any other key. */
export const arrow = (key) => ARROWS[key];

/** The cell so many rows down and columns to the right of another, at most at the grid's edge. */
export function neighbour(cell, [rows, columns], down, right) {
  const clamp = (value, most) => Math.min(Math.max(value, 0), most - 1);
  return clamp(Math.floor(cell / columns) + down, rows) * columns + clamp((cell % columns) + right, columns);
}

/** How often the outermost cells are repeated, so that the map covers the picture: [before, after]. */
export function margins(count, axis, place) {
  if (!place) return [0, 0];
  const [start, step] = [place.start[axis], place.step[axis]];
  const cells = (share) => Math.max(0, Math.ceil(share / step - 1e-9));
  return [cells(start), cells(1 - start - count * step)];
}
