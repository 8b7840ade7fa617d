// The language of the page around: `t` in front of a template is what the catalogue has for it, else the English itself.
// The page's head sets attnvizLanguage ("en", "zh") and attnvizWords ({"{} of {}": "..."}) before any script runs.

/** The language's code. */
export function language() {
  return globalThis.attnvizLanguage || "en";
}

/** t`${done} of ${total}`: the sentence in the page's language, with these values in it. */
export function t(parts, ...values) {
  const words = (globalThis.attnvizWords || {})[parts.join("{}")];
  if (words === undefined) return String.raw({ raw: parts }, ...values);
  return words.replace(/\{(\d+)\}/g, (_, index) => values[Number(index)]);
}

/** Has every element of a page that names its English sentence, as in <h1 data-t="Gallery">, say it in the page's language. */
export function tellAll(page) {
  for (const element of page.querySelectorAll("[data-t]")) element.textContent = word(element.dataset.t);
}

/** A word that the program sent, such as a unit, where the catalogue has it as it stands. */
export function word(text) {
  return (globalThis.attnvizWords || {})[text] ?? text;
}
