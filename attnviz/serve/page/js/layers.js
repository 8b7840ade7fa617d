// Layers of attention that the viewer asks the server for, one after the other, so that no answer is lost.

import { t } from "../../../render/viewer/js/language.js";

const PATIENCE_MS = 120_000; // the rollout of a large network takes a while

let send = null; // tells Gradio what is asked for
let waiting = null; // {turn, resolve, reject} of the one that is under way
let turn = 0;
let last = Promise.resolve();

/** Takes the function that sends {turn, id, label} to the server. */
export function asks(sender) {
  send = sender;
}

/** A promise of the entry of `positions` with that label, of the payload with that id. */
export function load(id, label) {
  const next = last.then(() => askFor(id, label));
  last = next.catch(() => null);
  return next;
}

function askFor(id, label) {
  if (!send) return Promise.reject(new Error(t`the page is not ready`));
  return new Promise((resolve, reject) => {
    turn += 1;
    waiting = { turn, resolve, reject };
    const own = turn;
    setTimeout(() => waiting && waiting.turn === own && reject(new Error(t`the server did not answer`)), PATIENCE_MS);
    send({ turn, id, label });
  });
}

/** Takes the server's answer, {turn, part} or {turn, error}; an answer to something else is dropped. */
export function receiveLayer(answer) {
  if (!answer || !waiting || answer.turn !== waiting.turn) return;
  const { resolve, reject } = waiting;
  waiting = null;
  if (answer.part) resolve(answer.part);
  else reject(new Error(answer.error));
}
