// Small parts the server fills: status line, samples, a line of text. Text goes in as textContent only.

import { el } from "../../../render/viewer/js/dom.js";
import { t } from "../../../render/viewer/js/language.js";
import { busy } from "./bridge.js";
import { carried } from "./carry.js";

const marked = { now: null, before: null }; // a refused photo leaves the one before on the page

/** Says what is going on. value: {state, text, busies: views that are dimmed meanwhile} */
export function status(element, value) {
  const state = (value && value.state) || "idle";
  const line = element.querySelector(".page-status");
  line.dataset.state = state;
  delete line.dataset.waiting;
  line.querySelector(".page-words").textContent = (value && value.text) || "";
  if (state === "error" && element.id === "page-status") mark(marked.before);
  if (state === "done" && element.id === "page-status") marked.before = marked.now;
  if (value && value.busies) busy(state === "working", value.busies);
}

/** Said at once, before the server answers: it may be busy with somebody else's photo. */
export function waiting(where = "#page-status", views = undefined) {
  const line = document.querySelector(`${where} .page-status`);
  if (!line) return;
  line.dataset.state = "working";
  line.dataset.waiting = "1";
  line.querySelector(".page-words").textContent = t`Waiting for the network`;
  busy(true, views);
}

/** Sample pictures as buttons. value: [{name, description, url}] */
export function samples(element, value, choose) {
  const buttons = (value || []).map(({ name, description, url }) => {
    const attributes = { type: "button", title: description, "data-sample": name, "aria-pressed": "false" };
    const button = el("button", attributes, el("img", { src: url, alt: description }));
    button.addEventListener("click", () => {
      mark(name);
      choose(name);
    });
    return button;
  });
  element.querySelector(".page-samples").replaceChildren(...buttons);
  if (value && value.length) mark(carried ? carried.sample : value[0].name); // the page opens with it
}

/** Marks the sample that is on the page; null when the photo is the visitor's own. */
export function mark(name) {
  marked.now = name;
  for (const button of document.querySelectorAll(".page-samples button")) {
    button.setAttribute("aria-pressed", String(button.dataset.sample === name));
  }
}

/** A line of text. */
export function text(element, value) {
  element.firstElementChild.textContent = value || "";
}
