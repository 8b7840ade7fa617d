// Choices that are inputs of Gradio's events: a model, or one of a few options.

import { chooser, segmented } from "../../../render/viewer/js/controls.js";
import { el } from "../../../render/viewer/js/dom.js";
import { t } from "../../../render/viewer/js/language.js";

const made = new WeakMap(); // host element -> its control
const rail = { models: [], input: null }; // of the select that says which model explains

/**
 * A select of models in groups, with a note on weights that are not on this machine yet.
 *
 * groups: [{label, models: [{name, title, note, shows}]}]; a note is the command to get the weights, shows lists the
 * views that apply. choose(name, ready) is called with whether the weights are here.
 */
export function models(element, { label, groups, value }, choose) {
  const host = element.firstElementChild;
  if (!made.has(host)) made.set(host, modelSelect(host, label, groups, choose));
  made.get(host)(value);
  if (element.closest("#page-model")) Object.assign(rail, { models: groups.flatMap((group) => group.models), input: host.querySelector("select") });
}

function modelSelect(host, label, groups, choose) {
  const notes = new Map(groups.flatMap((group) => group.models).map(({ name, note }) => [name, note]));
  const note = el("p", { class: "page-note", role: "status", hidden: true });
  const options = groups.flatMap((group) => {
    const listed = group.models.map(({ name, title }) => ({ value: name, label: title }));
    return group.label ? [{ group: group.label, options: listed }] : listed;
  });
  const onChange = (name) => {
    say(note, notes.get(name));
    choose(name, !notes.get(name));
  };
  const { root, input, set } = chooser({ label, options, onChange, className: "page-select" });
  root.append(note);
  host.replaceChildren(root);
  return (name) => {
    set(name);
    input.title = input.selectedOptions.length ? input.selectedOptions[0].textContent : "";
    say(note, notes.get(name));
  };
}

function say(line, command) {
  line.hidden = !command;
  if (command) line.replaceChildren(t`These weights are not on this machine yet. To get them, run `, el("code", {}, command), t` and reload the page.`);
}

/** A button that chooses the first model on this machine that has a view; null where none has it. */
export function switchTo(view) {
  const model = rail.models.find(({ note, shows }) => !note && shows.includes(view));
  if (!model) return null;
  const button = el("button", { type: "button" }, t`Switch to ${model.title.split(" · ")[0]}`);
  button.addEventListener("click", () => {
    rail.input.value = model.name;
    rail.input.dispatchEvent(new Event("change", { bubbles: true }));
  });
  return button;
}

/** One of a few, as joined radio buttons. options: [{value, label}] */
export function segments(element, { label, options, value }, choose) {
  const host = element.firstElementChild;
  if (!made.has(host)) {
    const control = segmented({ label, options, value, onChange: choose, className: "page-segments" });
    host.replaceChildren(control.root);
    made.set(host, control.set);
  }
  made.get(host)(value);
}
