// Small lists the server fills: status line, predictions, samples. Text goes in as textContent only.
(() => {
  "use strict";

  const marked = { now: null, before: null }; // a refused photo leaves the one before on the page

  function status(element, value) {
    const state = (value && value.state) || "idle";
    const line = element.querySelector(".page-status");
    line.dataset.state = state;
    line.querySelector(".page-words").textContent = (value && value.text) || "";
    if (state === "error" && element.id === "page-status") mark(marked.before);
    if (state === "done" && element.id === "page-status") marked.before = marked.now;
    if (value && value.busies) window.attnvizPage.busy(state === "working", value.busies);
  }

  // Said at once, before the server answers: it may be busy with somebody else's photo.
  function waiting(where = "#page-status", views = undefined) {
    const line = document.querySelector(`${where} .page-status`);
    if (!line) return;
    line.dataset.state = "working";
    line.querySelector(".page-words").textContent = "Waiting for the network";
    window.attnvizPage.busy(true, views);
  }

  // samples: [{name, description, url}]
  function samples(element, value, choose) {
    const strip = element.querySelector(".page-samples");
    const buttons = (value || []).map(({ name, description, url }) => {
      const button = document.createElement("button");
      const image = document.createElement("img");
      button.type = "button";
      button.title = description;
      button.dataset.sample = name;
      button.setAttribute("aria-pressed", "false");
      image.src = url;
      image.alt = description;
      button.append(image);
      button.addEventListener("click", () => {
        mark(name);
        choose(name);
      });
      return button;
    });
    strip.replaceChildren(...buttons);
    if (value && value.length) mark(value[0].name); // the page opens with it
  }

  // Which sample is on the page; null when the photo is the visitor's own.
  function mark(name) {
    marked.now = name;
    for (const button of document.querySelectorAll(".page-samples button")) {
      button.setAttribute("aria-pressed", String(button.dataset.sample === name));
    }
  }

  function text(element, value) {
    element.firstElementChild.textContent = value || "";
  }

  window.attnvizPage = { ...(window.attnvizPage || {}), status, waiting, samples, mark, text };
})();
