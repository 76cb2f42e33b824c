/* Values of a plot by keyboard and pointer: the plot is one tab stop, arrows go from month to month, and what stands
   there is said under it. Without this a pointer finds the same words as tooltips, and the table has them all. */
function start(figure) {
  const area = figure.querySelector("[data-part=area]");
  const readout = figure.querySelector("[data-part=readout]");
  const hits = [...(area?.querySelectorAll(".hit") ?? [])];
  if (!hits.length) return;
  const sentences = hits.map((hit) => {
    const title = hit.querySelector("title");
    const text = title.textContent;
    title.remove();
    return text;
  });
  let current = -1;

  function show(number) {
    hits[current]?.classList.remove("is-shown");
    current = number;
    hits[current]?.classList.add("is-shown");
    readout.textContent = sentences[current] ?? "";
    readout.hidden = current < 0;
  }

  area.tabIndex = 0;
  area.setAttribute("role", "group");
  area.setAttribute("aria-label", `${figure.querySelector("svg").getAttribute("aria-label")}: arrows go through the months`);
  area.addEventListener("pointermove", (event) => {
    const number = hits.indexOf(event.target);
    if (number >= 0 && number !== current) show(number);
  });
  area.addEventListener("pointerleave", () => show(-1));
  area.addEventListener("focus", () => {
    if (current < 0) show(hits.length - 1);
  });
  area.addEventListener("blur", () => show(-1));
  area.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: current - 1, ArrowRight: current + 1, Home: 0, End: hits.length - 1 };
    if (!(event.key in moves) || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    show(Math.max(0, Math.min(hits.length - 1, moves[event.key])));
  });
}

for (const figure of document.querySelectorAll("[data-plot]")) start(figure);
