// Pins set in the position view, told to the figure builder.
(() => {
  "use strict";

  // send(pins): [[row, column], ...] of the network's grid, once the visitor has settled on them
  function pins(element, send) {
    let timer = 0;
    document.addEventListener("attnviz-pins", (event) => {
      clearTimeout(timer);
      timer = setTimeout(() => send(event.detail.pins.map(({ row, column }) => [row, column])), 300);
    });
  }

  window.attnvizPage = { ...(window.attnvizPage || {}), pins };
})();
