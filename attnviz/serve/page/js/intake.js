// What comes in: a picture pasted anywhere is taken as the photo, and a file that is too large is refused here, in
// words: Gradio would take the photo away that was on the page, and show a bare "Error" over it.

import { t } from "../../../render/viewer/js/language.js";

const FIELDS = {
  "page-photo": "page-status",
  "page-compare-photo": "page-compare-status",
  "page-batch-photos": "page-batch-status",
};
const checked = new WeakSet(); // events sent from here

/** Listens for pasted, chosen and dropped files. */
export function takePhotos() {
  document.addEventListener("paste", (event) => {
    const file = [...((event.clipboardData && event.clipboardData.files) || [])].find((f) => f.type.startsWith("image/"));
    const input = document.querySelector("#page-photo input[type=file]");
    if (!file || !input) return;
    event.preventDefault();
    hand(input, [file], false);
  });

  document.addEventListener(
    "change",
    (event) => {
      const input = event.target;
      if (checked.has(event) || !(input instanceof HTMLInputElement) || input.type !== "file") return;
      const field = fieldOf(input);
      const files = [...input.files];
      const fitting = files.filter(fits);
      if (!field || fitting.length === files.length) return;
      event.stopImmediatePropagation();
      refuse(field, files.filter((file) => !fits(file)));
      if (fitting.length) hand(input, fitting, true);
      else input.value = "";
    },
    true,
  );

  document.addEventListener(
    "drop",
    (event) => {
      const field = event.target instanceof Element ? fieldOf(event.target) : null;
      const large = [...((event.dataTransfer && event.dataTransfer.files) || [])].filter((file) => !fits(file));
      if (!field || !large.length) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      event.target.dispatchEvent(new DragEvent("dragleave", { bubbles: true }));
      refuse(field, large);
    },
    true,
  );
}

function fieldOf(element) {
  return Object.keys(FIELDS).find((id) => element.closest(`#${id}`)) || null;
}

function limit() {
  return (window.gradio_config && window.gradio_config.max_file_size) || Infinity;
}

function fits(file) {
  return file.size <= limit();
}

function hand(input, files, known) {
  const transfer = new DataTransfer();
  for (const file of files) transfer.items.add(file);
  input.files = transfer.files;
  const event = new Event("change", { bubbles: true });
  if (known) checked.add(event);
  input.dispatchEvent(event);
}

function refuse(field, files) {
  const most = Math.floor(limit() / 2 ** 20);
  const named = files.map((file) => t`${file.name} of ${Math.ceil(file.size / 2 ** 20)} MB`).join(t`, `);
  const line = document.querySelector(`#${FIELDS[field]} .page-status`);
  line.dataset.state = "error";
  line.querySelector(".page-words").textContent = t`Expected photos of at most ${most} MB, got ${named}. Nothing else has changed.`;
}
