// What Gradio leaves out for those who do not see the page or do not use a mouse.

import { t } from "../../../render/viewer/js/language.js";

/** Tells the page's language, and names icons and fields now and whenever Gradio adds some. */
export function nameIcons() {
  document.documentElement.lang = "en";
  new MutationObserver(name).observe(document.documentElement, { childList: true, subtree: true });
}

// Icon buttons of Gradio carry an aria-label only in part; a title is read as their name.
function name() {
  for (const button of document.querySelectorAll("button[title]:not([aria-label])")) {
    if (!button.textContent.trim()) button.setAttribute("aria-label", button.title);
  }
  for (const input of document.querySelectorAll("#page-photo input[type=file]:not([aria-label])")) {
    input.setAttribute("aria-label", t`Photo file`);
  }
}
