// The page's tabs: one list that scrolls on a narrow window, where Gradio's own would hide tabs behind a menu.

import { t } from "../../../render/viewer/js/language.js";
import { createTablist } from "../../../render/viewer/js/tablist.js";
import { VIEW_LABELS } from "../../../render/viewer/js/views.js";

const LABELS = { ...VIEW_LABELS, evidence: t`Evidence`, batch: t`Batch`, export: t`Export`, about: t`About these maps` };

let list = null;
let current = null; // name of the tab that is open

const panelOf = (name) => document.getElementById(`page-panel-${name}`);

/** Draws the list. names: of the tabs, in order; the first opens. */
export function tabs(element, names) {
  const items = names.map((name) => ({ name, label: LABELS[name], id: `page-tab-${name}`, panel: `page-panel-${name}` }));
  list = createTablist({
    items,
    className: "page-tabs",
    onOpen(chosen, tab) {
      current = chosen;
      for (const { name, id } of items) show(panelOf(name), id, name === chosen);
      tab.scrollIntoView({ block: "nearest", inline: "nearest" });
    },
  });
  element.firstElementChild.replaceChildren(list.root);
  open(names[0]);
}

function show(panel, tab, chosen) {
  if (!panel) return;
  panel.dataset.open = String(chosen);
  panel.setAttribute("role", "tabpanel");
  panel.setAttribute("aria-labelledby", tab);
}

/** The name of the tab that is open. */
export function opened() {
  return current;
}

/** Opens a tab. */
export function open(name) {
  if (list) list.open(name);
}
