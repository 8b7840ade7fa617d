// The choice of language at the top: links to this page in each language. The server remembers what was chosen.

import { language } from "../../../render/viewer/js/language.js";
import { pack } from "./carry.js";
import { opened } from "./tabs.js";

/** Marks the page's language among the links; the others keep the rest of the address, and what is on the page. */
export function languages(element) {
  for (const link of element.querySelectorAll("a[hreflang]")) {
    if (link.hreflang === language()) link.setAttribute("aria-current", "true");
    const address = new URL(location.href);
    address.searchParams.set("language", link.hreflang);
    link.href = address.search;
    link.addEventListener("click", async (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // opened beside this page
      event.preventDefault();
      await pack(opened());
      location.assign(link.href);
    });
  }
}
