// Labelled controls made of the browser's own, so that keyboard and screen reader work as people expect.

import { el, freshId } from "./dom.js";

/** A range input with its label and its value in words. */
export function slider({ label, min, max, step, value, words, onInput, signal }) {
  const id = freshId("range");
  const input = el("input", { type: "range", id, min, max, step, value, class: "av-slider__input" });
  const output = el("output", { for: id, class: "av-slider__value" }, words(value));
  input.setAttribute("aria-valuetext", words(value));
  const show = (next) => {
    output.textContent = words(next);
    input.setAttribute("aria-valuetext", words(next));
  };
  input.addEventListener(
    "input",
    () => {
      show(Number(input.value));
      onInput(Number(input.value));
    },
    { signal },
  );
  const root = el("div", { class: "av-control av-slider" }, el("label", { for: id, class: "av-label" }, label), input, output);
  return {
    root,
    input,
    set(next) {
      input.value = String(next);
      show(next);
    },
  };
}

/** A drop-down list; options are {value, label} or {group, options}. `className`: of the whole, for another style sheet. */
export function chooser({ label, options, value, onChange, signal, className = "av-control" }) {
  const id = freshId("select");
  const item = (o) => el("option", { value: o.value, selected: o.value === value }, o.label);
  const input = el(
    "select",
    { id, class: "av-select" },
    options.map((o) => (o.group ? el("optgroup", { label: o.group }, o.options.map(item)) : item(o))),
  );
  input.addEventListener("change", () => onChange(input.value), { signal });
  const root = el("div", { class: className }, el("label", { for: id, class: "av-label" }, label), input);
  return {
    root,
    input,
    set(next) {
      input.value = next;
    },
  };
}

/** A row of radio buttons that looks like one control; options are {value, label, title}. `className` as above. */
export function segmented({ label, options, value, onChange, signal, className = "av-control av-segmented" }) {
  const name = freshId("choice");
  const inputs = new Map();
  const items = options.map((o) => {
    const input = el("input", { type: "radio", name, value: o.value, checked: o.value === value, class: "av-radio" });
    input.addEventListener("change", () => input.checked && onChange(o.value), { signal });
    inputs.set(o.value, input);
    return el("label", { class: "av-segment", title: o.title }, input, el("span", {}, o.label));
  });
  const root = el("fieldset", { class: className }, el("legend", { class: "av-label" }, label), el("div", { class: "av-segments" }, items));
  return {
    root,
    /** Chooses an option; the first one where there is no such option. */
    set(next) {
      (inputs.get(next) || [...inputs.values()][0]).checked = true;
    },
  };
}

/** A push button; `name` is for screen readers where the text alone says too little. */
export function button({ label, name, onClick, signal, kind = "" }) {
  const root = el("button", { type: "button", class: `av-button ${kind}`.trim(), "aria-label": name, title: name }, label);
  root.addEventListener("click", onClick, { signal });
  return root;
}
