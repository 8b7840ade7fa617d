// One picture that goes through the stages: a scrubber, and play or pause.

import { button, slider } from "./controls.js";
import { el } from "./dom.js";
import { t } from "./language.js";

const HOLD_MS = 1400;

/** Next position of a player that runs to the end and then starts over. */
export function nextStop(at, count) {
  return (at + 1) % count;
}

/** A scrubber over `labels`; calls `onStop(index)` on every move. */
export function createPlayer({ labels, at, onStop, signal }) {
  let current = at;
  let timer = 0;
  const scrubber = slider({
    label: t`Stage`,
    min: 0,
    max: labels.length - 1,
    step: 1,
    value: current,
    words: (i) => labels[i],
    onInput: (i) => {
      pause();
      go(i);
    },
    signal,
  });
  const toggle = button({ label: t`Play`, name: t`Play through the stages`, onClick: () => (timer ? pause() : play()), signal, kind: "av-button--play" });

  function go(index) {
    current = index;
    scrubber.set(index);
    onStop(index);
  }
  function play() {
    toggle.textContent = t`Pause`;
    toggle.setAttribute("aria-label", t`Pause`);
    toggle.title = t`Pause`;
    go(nextStop(current, labels.length));
    timer = setInterval(() => go(nextStop(current, labels.length)), HOLD_MS);
  }
  function pause() {
    clearInterval(timer);
    timer = 0;
    toggle.textContent = t`Play`;
    toggle.setAttribute("aria-label", t`Play through the stages`);
    toggle.title = t`Play through the stages`;
  }
  signal.addEventListener("abort", pause, { once: true });
  return { root: el("div", { class: "av-player" }, toggle, scrubber.root), go, pause };
}
