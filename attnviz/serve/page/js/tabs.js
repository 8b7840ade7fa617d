// The page's tabs: one list that scrolls on a narrow window, where Gradio's own would hide tabs behind a menu.
(() => {
  "use strict";

  const PANEL = "page-panel-";
  let list = null;

  function tabs(element, items) {
    list = element.querySelector("[role=tablist]");
    const buttons = items.map(({ id, label }) => {
      const button = document.createElement("button");
      button.type = "button";
      button.id = `page-tab-${id}`;
      button.textContent = label;
      button.setAttribute("role", "tab");
      button.setAttribute("aria-controls", PANEL + id);
      button.addEventListener("click", () => open(id));
      return button;
    });
    list.replaceChildren(...buttons);
    list.addEventListener("keydown", onKey);
    open(items[0].id);
  }

  function open(id) {
    for (const button of list ? list.children : []) {
      const own = button.id.slice("page-tab-".length);
      const chosen = own === id;
      button.setAttribute("aria-selected", String(chosen));
      button.tabIndex = chosen ? 0 : -1;
      const panel = document.getElementById(PANEL + own);
      if (!panel) continue;
      panel.dataset.open = String(chosen);
      panel.setAttribute("role", "tabpanel");
      panel.setAttribute("aria-labelledby", button.id);
      if (chosen) button.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
  }

  function onKey(event) {
    const buttons = [...list.children];
    const at = buttons.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    const next = buttons[(to + buttons.length) % buttons.length];
    next.focus();
    next.click();
  }

  window.attnvizPage = { ...(window.attnvizPage || {}), tabs, open };
})();
