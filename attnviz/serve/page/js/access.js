// What Gradio leaves out for those who do not see the page or do not use a mouse.
(() => {
  "use strict";

  document.documentElement.lang = "en";

  // Icon buttons of Gradio carry an aria-label only in part; a title is read as their name.
  function name(root) {
    for (const button of root.querySelectorAll("button[title]:not([aria-label])")) {
      if (!button.textContent.trim()) button.setAttribute("aria-label", button.title);
    }
    for (const input of root.querySelectorAll("#page-photo input[type=file]:not([aria-label])")) {
      input.setAttribute("aria-label", "Photo file");
    }
  }

  new MutationObserver(() => name(document)).observe(document.documentElement, { childList: true, subtree: true });
})();
