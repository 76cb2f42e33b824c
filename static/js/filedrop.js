/* The drop zone: a file dropped anywhere on the page lands in the file input of [data-filedrop];
   its name and size are shown, and one that is over data-max bytes is named before it is sent. */
const zone = document.querySelector("[data-filedrop]");

function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${Math.round(bytes / 1024)} kB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}

function hasFiles(event) {
  return Boolean(event.dataTransfer?.types.includes("Files"));
}

function start(input) {
  const chosen = zone.querySelector("[data-part=chosen]");
  const limit = Number(zone.dataset.max || 0);

  function show() {
    const files = [...input.files];
    const tooLarge = Boolean(limit) && files.some((file) => file.size > limit);
    chosen.hidden = files.length === 0;
    chosen.classList.toggle("too-large", tooLarge);
    chosen.textContent = files.map((file) => `${file.name}, ${size(file.size)}`).join("; ");
    if (tooLarge) chosen.textContent += `. It is larger than the ${size(limit)} that can be taken.`;
    input.setCustomValidity(tooLarge ? "This file is too large." : "");
  }

  input.addEventListener("change", show);
  document.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    zone.classList.add("is-over");
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) zone.classList.remove("is-over");
  });
  document.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    zone.classList.remove("is-over");
    const dropped = new DataTransfer();
    const taken = input.multiple ? event.dataTransfer.files : [event.dataTransfer.files[0]];
    for (const file of taken) dropped.items.add(file);
    input.files = dropped.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
    input.focus();
  });
  show();
}

const input = zone?.querySelector("input[type=file]");
if (input) start(input);
