// The choice of a model: the browser's own select with groups, and a note on weights that are not here yet.
(() => {
  "use strict";

  // groups: [{label, models: [{name, title, note, shows}]}]; a note says how to get weights that are not on this
  // machine, shows lists the views that apply
  function models(element, groups, value, choose) {
    const select = element.querySelector("select");
    const notes = new Map(groups.flatMap((group) => group.models.map(({ name, note }) => [name, note])));
    if (!select.options.length) {
      select.append(...groups.flatMap((group) => (group.label ? [optgroup(group)] : options(group))));
      select.addEventListener("change", () => {
        say(element, notes.get(select.value));
        choose(select.value, !notes.get(select.value));
      });
    }
    select.value = value;
    select.title = select.selectedOptions.length ? select.selectedOptions[0].textContent : "";
    say(element, notes.get(value));
  }

  function optgroup(listed) {
    const group = document.createElement("optgroup");
    group.label = listed.label;
    group.append(...options(listed));
    return group;
  }

  function options({ models: listed }) {
    return listed.map(({ name, title, note, shows }) => {
      const option = document.createElement("option");
      option.value = name;
      option.textContent = title;
      option.dataset.shows = note ? "" : shows.join(" ");
      return option;
    });
  }

  function say(element, note) {
    const line = element.querySelector(".page-note");
    line.hidden = !note;
    if (!note) return;
    const code = document.createElement("code");
    code.textContent = note;
    line.replaceChildren("These weights are not on this machine yet. To get them, run ", code, " and reload the page.");
  }

  // One of a few, as joined radio buttons. listed: [{name, label}]
  function segments(element, listed, value, choose) {
    const row = element.querySelector(".page-segments div");
    if (!row.children.length) {
      row.append(...listed.map((item) => segment(element, item, choose)));
    }
    for (const radio of row.querySelectorAll("input")) radio.checked = radio.value === value;
  }

  function segment(element, { name, label }, choose) {
    const holder = document.createElement("label");
    const radio = document.createElement("input");
    const words = document.createElement("span");
    radio.type = "radio";
    radio.name = element.id || element.closest("[id]").id;
    radio.value = name;
    radio.addEventListener("change", () => choose(name));
    words.textContent = label;
    holder.append(radio, words);
    return holder;
  }

  window.attnvizPage = { ...(window.attnvizPage || {}), models, segments };
})();
