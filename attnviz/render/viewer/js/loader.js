// An attention whose numbers may still have to be asked for.

import { t } from "./language.js";
import { readPosition } from "./softmax.js";

/**
 * A function of (label, head) that shows one of a list of attentions: at once where its numbers are here, else as soon as
 * the page has sent them.
 */
export function createLoader({ data, signal, load }, list, split, busy, show) {
  let latest = 0;
  return async (label, head) => {
    const turn = (latest += 1);
    const at = list.findIndex((position) => position.label === label);
    const late = () => turn !== latest || signal.aborted;
    if (!list[at].ready) {
      busy.textContent = t`Fetching ${list[at].title} …`;
      split.setAttribute("aria-busy", "true");
      try {
        list[at] = readPosition(await load(data.id, label));
      } catch (error) {
        if (late()) return;
        busy.textContent = t`${list[at].title} cannot be had: ${error.message}`;
        split.removeAttribute("aria-busy");
        return;
      }
      if (late()) return;
    }
    busy.textContent = "";
    split.removeAttribute("aria-busy");
    show(list[at], head);
  };
}
