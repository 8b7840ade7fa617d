// Many small pictures of which one is chosen: buttons in rows, drawn when they come into sight, gone through with arrows.

import { el } from "./dom.js";
import { createPicture } from "./picture.js";

const BEFORE = "300px"; // of the window's edge, where pictures that come near are drawn already

/**
 * The pictures; none is chosen until `choose(index)`.
 *
 * @param items [{texts, after}]: nodes below each picture, and a node after them or nothing.
 * @param label What they are, for those who do not see them.
 * @param onChoose(index) is called when one is chosen by hand.
 */
export function createThumbs({ photo, items, label, onChoose, signal }) {
  const thumbs = items.map(({ texts, after = null }, index) => {
    const picture = createPicture(photo, "");
    const button = el("button", { type: "button", class: "av-thumb", "aria-pressed": "false", tabindex: index ? "-1" : "0" }, picture.root, el("span", { class: "av-thumb__text" }, texts), after);
    button.addEventListener("click", () => onChoose(index), { signal });
    return { canvas: picture.layer(), button };
  });
  const buttons = thumbs.map(({ button }) => button);
  const root = el("div", { class: "av-thumbs", role: "group", "aria-label": label }, buttons);
  let paint = () => {};
  const due = new Set(); // numbers of those to paint once they are seen
  const seen = new Set();
  const draw = (index) => {
    if (!seen.has(index) || !due.delete(index)) return;
    paint(index, thumbs[index].canvas);
  };
  const watch = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const index = buttons.indexOf(target);
      if (isIntersecting) seen.add(index);
      else seen.delete(index);
      draw(index);
    }
  }, { rootMargin: BEFORE });
  buttons.forEach((button) => watch.observe(button));
  signal.addEventListener("abort", () => watch.disconnect(), { once: true });
  root.addEventListener("keydown", (event) => {
    const to = next(event, buttons);
    if (to < 0) return;
    event.preventDefault();
    buttons[to].focus();
    onChoose(to);
  }, { signal });
  return {
    root,
    /** Paints every picture anew with `paint(index, canvas)`: those in sight at once, the others when they come there. */
    draw(how) {
      paint = how;
      thumbs.forEach((_, index) => due.add(index));
      [...seen].forEach(draw);
    },
    /** Marks one as chosen; -1: none. */
    choose(chosen) {
      buttons.forEach((button, index) => {
        button.setAttribute("aria-pressed", String(index === chosen));
        button.tabIndex = index === Math.max(chosen, 0) ? 0 : -1;
      });
    },
  };
}

/** The button that a key goes to, -1 for none: along and across the rows as they lie on the screen. */
function next({ key, target, ctrlKey, metaKey, altKey }, buttons) {
  const at = buttons.indexOf(target.closest(".av-thumb"));
  if (at < 0 || ctrlKey || metaKey || altKey) return -1;
  const below = buttons.findIndex((button) => button.offsetTop > buttons[0].offsetTop);
  const columns = below < 0 ? buttons.length : below;
  const to = { ArrowLeft: at - 1, ArrowRight: at + 1, ArrowUp: at - columns, ArrowDown: at + columns, Home: 0, End: buttons.length - 1 }[key];
  return to >= 0 && to < buttons.length ? to : -1;
}
