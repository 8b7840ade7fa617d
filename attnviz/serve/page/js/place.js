// How many are before a visitor who waits. Gradio tells its own parts, and no script: so the page asks while it waits.

import { t } from "../../../render/viewer/js/language.js";

const EVERY_MS = 1000;

/** Takes the function that asks the server. */
export function asksPlace(send) {
  let turn = 0;
  setInterval(() => {
    if (lines().length) send({ turn: (turn += 1) });
  }, EVERY_MS);
}

/** Takes the server's answer, {turn, before}: requests that come before the visitor's; null when none of theirs waits. */
export function receivePlace(answer) {
  if (!answer || !answer.before) return;
  for (const line of lines()) line.textContent = t`Waiting for the network; requests before yours: ${answer.before}`;
}

function lines() {
  return document.querySelectorAll(".page-status[data-waiting] .page-words");
}
