// What an export made: a look at the figure, its caption, and a link to every file.

import { el } from "../../../render/viewer/js/dom.js";
import { t } from "../../../render/viewer/js/language.js";

const INVITATION = t`The figure appears here, ready for a paper: text stays text, and every scale has its colour bar.`;

/** Shows an export. value: {picture: {url}, alt, caption, files: [{file: {url}, name, words}]} or null */
export function figure(element, value) {
  const host = element.querySelector(".page-figure");
  host.replaceChildren(...(value ? contents(value) : [el("div", { class: "page-message" }, el("p", {}, INVITATION))]));
  host.dataset.state = value ? "drawn" : "empty";
}

function contents({ picture, alt, caption, files }) {
  return [
    el("img", { src: picture.url, alt }),
    el("p", { class: "page-note" }, caption),
    el("ul", { class: "page-files", "aria-label": t`Files of this export` }, files.map(link)),
  ];
}

function link({ file, name, words }) {
  return el("li", {}, el("a", { href: file.url, download: name }, name), el("span", {}, words));
}
