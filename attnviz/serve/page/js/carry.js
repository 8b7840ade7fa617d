// What a visitor has on the page, carried over when it is opened anew in another language: the server keeps the photo and
// its maps, this tab's storage what is chosen here.

import { settingsFor } from "../../../render/viewer/js/settings.js";

const KEY = "attnviz-carried"; // read by the server's part, too: attnviz/serve/tabs/carry.py
const PATIENCE_MS = 3000;

let send = null; // tells Gradio what is asked for
let waiting = null; // {turn, resolve} of the one that is under way
let turn = 0;
/** What the page before left: {tab, sample, settings, pins}, or null; the settings are taken up at once. */
export const carried = taken();

let pins = carried ? carried.pins : []; // [[row, column]] of the position view
let unset = carried ? carried.pins : undefined; // those that no view has yet

document.addEventListener("attnviz-pins", ({ detail }) => {
  pins = detail.pins.map(({ row, column }) => [row, column]);
});

/** The pins that were carried over, for the first view that asks. */
export function takePins() {
  const found = unset;
  unset = undefined;
  return found;
}

function taken() {
  try {
    const found = JSON.parse(sessionStorage.getItem(KEY));
    if (!found || !found.page) return null;
    settingsFor("page", found.page.settings);
    return found.page;
  } catch {
    return null; // there is none, or storage is forbidden
  }
}

/** Once the photo is there again: another load of the page begins as any. */
export function unpacked() {
  try {
    sessionStorage.removeItem(KEY);
  } catch {
    // storage is forbidden
  }
}

/** Takes the function that sends {turn} to the server. */
export function asksToCarry(sender) {
  send = sender;
}

/** Takes the server's answer, {turn, carried}. */
export function receiveCarried(answer) {
  if (answer && waiting && answer.turn === waiting.turn) waiting.resolve(answer.carried);
}

/** A promise that all is packed, or that it cannot be; `tab` is the open one. */
export async function pack(tab) {
  turn += 1;
  const own = turn;
  const kept = await new Promise((resolve) => {
    waiting = { turn: own, resolve };
    setTimeout(() => resolve(null), PATIENCE_MS);
    if (send) send({ turn: own });
    else resolve(null);
  });
  if (!kept) return;
  const sample = document.querySelector(".page-samples button[aria-pressed=true]");
  const page = { tab, sample: sample && sample.dataset.sample, settings: settingsFor("page").all(), pins };
  try {
    sessionStorage.setItem(KEY, JSON.stringify({ ...kept, page }));
  } catch {
    // storage is forbidden, or full: the page opens as any
  }
}
