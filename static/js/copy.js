/* [data-example]: its button copies the code beside it, and data-sentence of [data-part=copied] is told. Where the
   browser lets no page write to the clipboard the code is selected, and its own keys copy it. Without this the code is
   selected by hand. */
const told = document.querySelector("[data-part=copied]");

async function copy(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(code);
    return false;
  }
}

for (const example of document.querySelectorAll("[data-example]")) {
  const button = example.querySelector("[data-part=copy]");
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    const done = await copy(example.querySelector("code"));
    button.textContent = done ? "Copied" : "Selected";
    told.textContent = done ? told.dataset.sentence : "The browser does not let the page copy; the text is selected.";
    setTimeout(() => {
      button.textContent = "Copy";
      told.textContent = "";
    }, 2000);
  });
}
