// What an export made: a look at the figure, its caption, and a link to every file.
(() => {
  "use strict";

  // value: {picture: {url}, alt, caption, files: [{file: {url}, name, words}]} or null
  function figure(element, value) {
    const host = element.querySelector(".page-figure");
    host.replaceChildren(...(value ? [picture(value), caption(value), files(value)] : [invitation()]));
    host.dataset.state = value ? "drawn" : "empty";
  }

  function invitation() {
    const box = document.createElement("div");
    const words = document.createElement("p");
    box.className = "page-message";
    words.textContent = "The figure appears here, ready for a paper: text stays text, and every scale has its colour bar.";
    box.append(words);
    return box;
  }

  function picture({ picture: shown, alt }) {
    const image = document.createElement("img");
    image.src = shown.url;
    image.alt = alt;
    return image;
  }

  function caption({ caption: words }) {
    const box = document.createElement("p");
    box.className = "page-note";
    box.textContent = words;
    return box;
  }

  function files({ files: listed }) {
    const list = document.createElement("ul");
    list.className = "page-files";
    list.setAttribute("aria-label", "Files of this export");
    for (const { file, name, words } of listed) {
      const item = document.createElement("li");
      const link = document.createElement("a");
      const size = document.createElement("span");
      link.href = file.url;
      link.download = name;
      link.textContent = name;
      size.textContent = words;
      item.append(link, size);
      list.append(item);
    }
    return list;
  }

  window.attnvizPage = { ...(window.attnvizPage || {}), figure };
})();
