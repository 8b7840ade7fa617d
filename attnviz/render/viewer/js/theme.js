// Light or dark: the page's own choice where it makes one (Gradio's .dark), else the system's.

/** Keeps `data-theme` on the root in step with the page. */
export function followTheme(root, signal, forced = "auto") {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const hosted = () => getComputedStyle(document.documentElement).getPropertyValue("--body-text-color").trim() !== "";
  const apply = () => {
    const page = document.querySelector("html.dark, body.dark") !== null;
    const dark = forced === "auto" ? page || (!hosted() && system.matches) : forced === "dark";
    root.dataset.theme = dark ? "dark" : "light";
  };
  apply();
  system.addEventListener("change", apply, { signal });
  const observer = new MutationObserver(apply);
  for (const node of [document.documentElement, document.body]) {
    observer.observe(node, { attributes: true, attributeFilter: ["class"] });
  }
  signal.addEventListener("abort", () => observer.disconnect(), { once: true });
}
