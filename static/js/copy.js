/* [data-example]: its button copies the code beside it, and data-sentence of [data-part=copied] is told. Without this
   the code is selected by hand. */
const told = document.querySelector("[data-part=copied]");

for (const example of document.querySelectorAll("[data-example]")) {
  const button = example.querySelector("[data-part=copy]");
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(example.querySelector("code").textContent);
    button.textContent = "Copied";
    told.textContent = told.dataset.sentence;
    setTimeout(() => {
      button.textContent = "Copy";
      told.textContent = "";
    }, 2000);
  });
}
