// Small lists the server fills: status line, predictions, samples. Text goes in as textContent only.
(() => {
  "use strict";

  function status(element, value) {
    const state = (value && value.state) || "idle";
    const line = element.querySelector(".av-status");
    line.dataset.state = state;
    line.querySelector(".av-words").textContent = (value && value.text) || "";
    if (value && value.busies) window.attnvizPage.busy(state === "working", value.busies);
  }

  function predictions(element, value) {
    const list = element.querySelector(".av-predictions");
    const rows = (value || []).map(({ category, probability }) => {
      const row = document.createElement("li");
      const name = document.createElement("span");
      const share = document.createElement("span");
      const bar = document.createElement("span");
      const fill = document.createElement("i");
      name.className = "av-name";
      share.className = "av-share";
      bar.className = "av-bar";
      name.textContent = category;
      share.textContent = percent(probability);
      fill.style.width = `${Math.max(0, Math.min(1, probability)) * 100}%`;
      bar.append(fill);
      row.append(name, share, bar);
      return row;
    });
    list.replaceChildren(...rows);
    element.querySelector(".av-panel").hidden = rows.length === 0;
  }

  function percent(probability) {
    const value = probability * 100;
    return `${value >= 10 ? value.toFixed(0) : value.toFixed(1)} %`;
  }

  // samples: [{name, description, url}]
  function samples(element, value, choose) {
    const strip = element.querySelector(".av-samples");
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
  }

  // Which sample is on the page; null when the photo is the visitor's own.
  function mark(name) {
    for (const button of document.querySelectorAll(".av-samples button")) {
      button.setAttribute("aria-pressed", String(button.dataset.sample === name));
    }
  }

  function text(element, value) {
    element.firstElementChild.textContent = value || "";
  }

  window.attnvizPage = { ...(window.attnvizPage || {}), status, predictions, samples, mark, text };
})();
