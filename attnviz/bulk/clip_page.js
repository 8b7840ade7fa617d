// A clip with its maps, frame by frame, in the language of whoever opens the file, or one that they choose.

import { el } from "../render/viewer/js/dom.js";
import { t, tellAll } from "../render/viewer/js/language.js";

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const [picture, canvas, slider, said, button] = ["picture", "line", "frame", "said", "play"].map(byId);
const colors = ["#0072b2", "#d55e00", "#00785a", "#8a4f7d", "#6b6b00", "#333333"];
const labels = Object.keys(data.focus);
const wanted = [navigator.language, ...(navigator.languages || [])].map((code) => code.split("-")[0]);
let called = new Map(); // English name of a category -> what it is called
let timer = 0;

slider.max = data.frames.length - 1;

function number(value) { return value === null || value === undefined ? t`none` : value.toFixed(3); }

labels.forEach((label, index) => {
  const item = document.createElement("li");
  const mark = document.createElement("span");
  mark.style.borderTopColor = colors[index];
  item.append(mark, document.createElement("output"));
  byId("legend").append(item);
});

function draw(now) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  [canvas.width, canvas.height] = [width * window.devicePixelRatio, height * window.devicePixelRatio];
  const pen = canvas.getContext("2d");
  pen.scale(window.devicePixelRatio, window.devicePixelRatio);
  const x = (index) => 8 + (width - 16) * (data.frames.length > 1 ? index / (data.frames.length - 1) : 0.5);
  pen.strokeStyle = "#bbb";
  pen.strokeRect(0.5, 0.5, width - 1, height - 1);
  labels.forEach((label, index) => {
    pen.strokeStyle = colors[index];
    pen.lineWidth = 2;
    pen.beginPath();
    data.focus[label].forEach((value, at) => { if (value !== null) pen.lineTo(x(at), (height - 4) - (height - 8) * value); });
    pen.stroke();
  });
  pen.strokeStyle = "#222";
  pen.lineWidth = 1;
  pen.beginPath();
  pen.moveTo(x(now), 0);
  pen.lineTo(x(now), height);
  pen.stroke();
}

function show() {
  const now = Number(slider.value);
  const frame = data.numbers[now];
  picture.src = data.frames[now];
  const guess = data.predictions[now];
  const place = t`frame ${frame} of ${data.total}`;
  const found = guess === null ? "" : ` · ${called.get(guess) || guess} ${Math.round(100 * data.scores[now])} %`;
  const words = `${place} · ${(frame / data.rate).toFixed(2)} s${found}`;
  said.textContent = words;
  picture.alt = t`Photo and maps side by side, ${words}`;
  slider.setAttribute("aria-valuetext", words);
  byId("legend").querySelectorAll("output").forEach((output, index) => {
    output.textContent = t`${labels[index]}: Gini ${number(data.focus[labels[index]][now])}`;
  });
  draw(now);
}

/** Says everything in a language, one of data.languages: [{code, name, words, categories}]. */
function choose({ code, words, categories }) {
  Object.assign(globalThis, { attnvizLanguage: code, attnvizWords: words });
  called = new Map(Object.entries(categories));
  document.documentElement.lang = code;
  tellAll(document);
  const thinned = data.frames.length < data.total;
  byId("name").textContent = thinned ? t`${data.name} · every ${data.numbers[1]}th frame` : data.name;
  slider.setAttribute("aria-label", t`Frame`);
  button.textContent = timer ? t`Pause` : t`Play`;
  for (const choice of byId("languages").children) choice.setAttribute("aria-pressed", String(choice.lang === code));
  show();
}

button.addEventListener("click", () => {
  if (timer) { clearInterval(timer); timer = 0; button.textContent = t`Play`; return; }
  button.textContent = t`Pause`;
  timer = setInterval(() => {
    slider.value = (Number(slider.value) + 1) % data.frames.length;
    show();
  }, 1000 * (data.numbers[1] || 1) / data.rate);
});
slider.addEventListener("input", show);
window.addEventListener("resize", () => draw(Number(slider.value)));
for (const language of data.languages) {
  const choice = el("button", { type: "button", lang: language.code }, language.name);
  choice.addEventListener("click", () => choose(language));
  byId("languages").append(choice);
}
choose(wanted.map((code) => data.languages.find((language) => language.code === code)).find(Boolean) || data.languages[0]);
