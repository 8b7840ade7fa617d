// A list of tabs as the WAI-ARIA practices describe it: arrow keys, Home and End move along and open.

import { el } from "./dom.js";
import { t } from "./language.js";

/**
 * A list of tabs; nothing is open until `open(name)`.
 *
 * @param items [{name, label, id, panel}]: id of the tab, and of the element that it opens.
 * @param onOpen(name, tab) is called whenever a tab opens.
 */
export function createTablist({ items, className, onOpen, signal }) {
  const tabs = items.map(({ name, label, id, panel }) => {
    const tab = el("button", { type: "button", role: "tab", class: "av-tab", id, "aria-controls": panel }, label);
    tab.addEventListener("click", () => open(name), { signal });
    return tab;
  });
  const root = el("div", { class: className, role: "tablist", "aria-label": t`Views` }, tabs);
  function open(name) {
    items.forEach((item, i) => {
      const chosen = item.name === name;
      tabs[i].setAttribute("aria-selected", String(chosen));
      tabs[i].tabIndex = chosen ? 0 : -1;
    });
    onOpen(name, tabs.find((_, i) => items[i].name === name));
  }
  root.addEventListener("keydown", (event) => {
    const at = tabs.findIndex((tab) => tab.getAttribute("aria-selected") === "true");
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = (to + tabs.length) % tabs.length;
    open(items[next].name);
    tabs[next].focus();
  }, { signal });
  return { root, open };
}
