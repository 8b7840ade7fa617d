// What is chosen in the position view, told to the figure builder: pins, layer and head.

const SETTLED_MS = 300;

/**
 * Calls send({pins, label, head}) once the visitor has settled: pins as [[row, column], ...] of the grid of the network's
 * first attention, the label of the attention that is shown, empty for the one that is shown first, and "mean" or the
 * number of its head.
 */
export function pins(element, send) {
  let timer = 0;
  const chosen = { pins: [], label: "", head: "mean" };
  const settle = (changes) => {
    Object.assign(chosen, changes);
    clearTimeout(timer);
    timer = setTimeout(() => send({ ...chosen }), SETTLED_MS);
  };
  const cells = (list) => list.map(({ row, column }) => [row, column]);
  document.addEventListener("attnviz-pins", ({ detail }) => settle({ pins: cells(detail.pins) }));
  document.addEventListener("attnviz-attention", ({ detail }) => {
    const now = { pins: cells(detail.pins), label: detail.atFirst ? "" : detail.label, head: detail.head };
    if (JSON.stringify({ ...chosen, ...now }) !== JSON.stringify(chosen)) settle(now);
  });
}
