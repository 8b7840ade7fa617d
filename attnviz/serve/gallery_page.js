// The gallery: a window of the rows at a time, and links to the viewer of each photo.

import { language, t, tellAll, word } from "../render/viewer/js/language.js";

const [WIDTH, HEIGHT, WINDOW] = [200, 216, 200];
const byId = (id) => document.getElementById(id);
const [form, grid, said] = ["form", "grid", "said"].map(byId);
const tiles = new Map(); // place -> its link
let [found, windows, question, called] = [0, new Map(), "", new Map()];

tellAll(document);
for (const link of document.querySelectorAll("nav a")) if (link.hreflang === language()) link.setAttribute("aria-current", "true");

function asked() {
  const values = ["sort", "descending", "prediction", "low", "high"].map((id) => [id, byId(id).value]);
  return new window.URLSearchParams(values.filter(([, value]) => value !== "")).toString();
}

async function fetchWindow(number) {
  if (windows.has(number)) return;
  windows.set(number, null);
  const mine = question;
  const answer = await fetch(`rows?${mine}&start=${number * WINDOW}&count=${WINDOW}`);
  if (mine !== question) return;
  if (!answer.ok) { said.textContent = await answer.text(); found = 0; layOut(); return; }
  const data = await answer.json();
  windows.set(number, data.rows);
  found = data.found;
  called = new Map(Object.entries(data.called));
  fill("sort", data.numbers, word);
  fill("prediction", data.categories, (name) => called.get(name) || name);
  said.textContent = t`${found} of ${data.total} photos`;
  layOut();
}

// After the one that is always there.
function fill(id, names, say) {
  const select = byId(id);
  if (select.options.length > 1) return;
  names.forEach((name) => select.add(new window.Option(say(name), name)));
}

function tile(entry) {
  const link = document.createElement("a");
  link.href = `viewer/${entry.row}`;
  link.target = "_blank";
  link.rel = "noopener";
  const picture = document.createElement("img");
  picture.src = `photo/${entry.row}`;
  picture.alt = "";
  const guess = entry.prediction === null ? "" : `${called.get(entry.prediction) || entry.prediction} ${Math.round(100 * entry.score)} %`;
  const value = entry.value === null ? "" : `${word(byId("sort").value)} ${entry.value.toFixed(3)}`;
  const lines = [entry.name, guess, byId("sort").value === "score" ? "" : value].filter((text) => text);
  link.append(picture, ...lines.map((text) => Object.assign(document.createElement("span"), { textContent: text })));
  return link;
}

function layOut() {
  const columns = Math.max(1, Math.floor(grid.clientWidth / WIDTH));
  grid.style.height = `${Math.ceil(found / columns) * HEIGHT}px`;
  const top = Math.max(0, -grid.getBoundingClientRect().top);
  const first = Math.max(0, Math.floor(top / HEIGHT) - 1) * columns;
  const last = Math.min(found, first + (Math.ceil(window.innerHeight / HEIGHT) + 3) * columns);
  for (const [place, shown] of tiles) if (place < first || place >= last) { shown.remove(); tiles.delete(place); }
  for (let place = first; place < last; place += 1) {
    const entries = windows.get(Math.floor(place / WINDOW));
    if (entries === undefined) fetchWindow(Math.floor(place / WINDOW));
    const entry = entries && entries[place % WINDOW];
    if (!entry) continue;
    if (!tiles.has(place)) { tiles.set(place, tile(entry)); grid.append(tiles.get(place)); }
    const style = tiles.get(place).style;
    style.width = `${WIDTH}px`;
    style.left = `${(place % columns) * WIDTH}px`;
    style.top = `${Math.floor(place / columns) * HEIGHT}px`;
  }
}

function ask() {
  if (byId("sort").value === "name") { byId("low").value = ""; byId("high").value = ""; }
  byId("low").disabled = byId("high").disabled = byId("sort").value === "name";
  question = asked();
  windows = new Map();
  tiles.forEach((shown) => shown.remove());
  tiles.clear();
  fetchWindow(0);
}

form.addEventListener("change", ask);
form.addEventListener("submit", (event) => event.preventDefault());
window.addEventListener("scroll", () => requestAnimationFrame(layOut));
window.addEventListener("resize", layOut);
ask();
