// A picture pasted anywhere on the page is taken as the photo; text pasted into a field is left alone.
(() => {
  "use strict";

  document.addEventListener("paste", (event) => {
    const file = [...((event.clipboardData && event.clipboardData.files) || [])].find((f) => f.type.startsWith("image/"));
    const input = document.querySelector("#page-photo input[type=file]");
    if (!file || !input) return;
    event.preventDefault();
    const transfer = new DataTransfer();
    transfer.items.add(file);
    input.files = transfer.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });
})();
