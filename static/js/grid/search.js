/* The fold of products without forecast: unfold them all, or find one by name or code and type into it. */
const WAIT = 200;

export class Search {
  constructor(model, onRows) {
    this.model = model;
    this.onRows = onRows;
    this.fold = model.fold;
    if (!this.fold) return;
    this.link = this.fold.querySelector("[data-unfold]");
    this.input = this.fold.querySelector("[data-find]");
    this.found = this.fold.querySelector("[data-found]");
    this.open = Boolean(model.table.querySelector("tr.is-dormant"));
    this.paint();
    this.link.addEventListener("click", (event) => {
      event.preventDefault();
      this.input.value = "";
      if (this.open) this.clear();
      else this.fetch("");
    });
    this.input.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => (this.input.value.trim() ? this.fetch(this.input.value.trim()) : this.clear()), WAIT);
    });
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.input.value) {
        this.input.value = "";
        this.clear();
      } else if (event.key === "Enter") {
        event.preventDefault();
        this.onRows(this.model.lines.find((line) => line.tr.classList.contains("is-dormant")));
      }
    });
  }

  async fetch(find) {
    const query = new URLSearchParams({ rows: "dormant", show: this.model.config.show });
    if (find) query.set("find", find);
    const turn = (this.turn = (this.turn ?? 0) + 1);
    let text;
    try {
      const response = await fetch(`?${query}`, { credentials: "same-origin" });
      if (!response.ok || response.redirected) throw new Error(response.statusText);
      text = await response.text();
    } catch {
      this.found.textContent = "The list could not be fetched; try again.";
      return;
    }
    // An earlier answer that comes late must not replace a later one.
    if (turn !== this.turn) return;
    this.remove();
    const rows = document.createElement("template");
    rows.innerHTML = text;
    const known = new Set(this.model.lines.map((line) => line.id));
    const fresh = [...rows.content.children].filter((tr) => !known.has(Number(tr.dataset.line)));
    this.fold.after(...fresh);
    this.open = fresh.length > 0;
    this.found.textContent = find ? this.words(fresh.length) : "";
    this.paint();
    this.onRows(null);
  }

  words(count) {
    if (!count) return "none found";
    const first = count >= this.model.config.found ? `the first ${count}; type more to narrow` : `${count} found`;
    return `${first}; type a quantity to add one`;
  }

  /* Fold again; lines somebody typed in stand above the fold already. */
  clear() {
    this.turn = (this.turn ?? 0) + 1;
    this.remove();
    this.open = false;
    this.found.textContent = "";
    this.paint();
    this.onRows(null);
  }

  remove() {
    for (const tr of this.model.table.querySelectorAll("tr.is-dormant")) {
      if (!tr.querySelector(".bad, .dirty, .saving")) tr.remove();
    }
  }

  /* A line left the fold. */
  less() {
    this.link.dataset.count = String(Math.max(0, Number(this.link.dataset.count) - 1));
    this.paint();
  }

  paint() {
    const count = Number(this.link.dataset.count);
    this.link.textContent = `${this.open ? "▾" : "▸"} ${count} product${count === 1 ? "" : "s"} without forecast`;
    this.link.setAttribute("aria-expanded", String(this.open));
  }
}
