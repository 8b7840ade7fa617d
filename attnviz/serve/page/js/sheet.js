// The contact sheet of a batch: one tile per photo, added as the server finishes them.
(() => {
  "use strict";

  // value: {run, total, done, tiles: [{index, name, pictures: [{url}], caption, failed}]}; a new run starts a new sheet
  function sheet(element, value) {
    const host = element.querySelector(".page-sheet");
    if (!value) {
      host.replaceChildren();
      delete host.dataset.run;
      return;
    }
    if (host.dataset.run !== String(value.run)) {
      host.dataset.run = String(value.run);
      host.replaceChildren(progress(), grid());
    }
    const bar = host.querySelector("progress");
    bar.max = value.total || 1;
    bar.value = value.done;
    host.querySelector(".page-progress-words").textContent = `${value.done} of ${value.total}`;
    const tiles = host.querySelector(".page-tiles");
    for (const item of value.tiles || []) {
      if (tiles.querySelector(`[data-index="${Number(item.index)}"]`)) continue;
      tiles.append(tile(item));
    }
  }

  function progress() {
    const line = document.createElement("div");
    const bar = document.createElement("progress");
    const words = document.createElement("span");
    line.className = "page-progress";
    bar.setAttribute("aria-label", "Photos finished");
    words.className = "page-progress-words";
    line.append(bar, words);
    return line;
  }

  function grid() {
    const tiles = document.createElement("ul");
    tiles.className = "page-tiles";
    return tiles;
  }

  function tile({ index, name, pictures, caption, failed }) {
    const item = document.createElement("li");
    const words = document.createElement("span");
    item.dataset.index = String(index);
    item.dataset.failed = String(Boolean(failed));
    const pair = document.createElement("div");
    pair.className = "page-tile-pictures";
    pair.append(
      ...pictures.map(({ url }, i) => {
        const image = document.createElement("img");
        image.src = url;
        image.alt = i === 0 ? `${name}, the photo` : `${name}, its attention map`;
        return image;
      }),
    );
    if (pictures.length) item.append(pair);
    const title = document.createElement("strong");
    title.textContent = name;
    words.textContent = caption || "";
    item.append(title, words);
    return item;
  }

  window.attnvizPage = { ...(window.attnvizPage || {}), sheet };
})();
