/* The search of the top bar: `/` or Ctrl-K leads to it, hits come while one types, arrows choose, Enter goes there.
   Without this the form opens the page of the search. */
const WAIT = 150;

function start(form) {
  const input = form.querySelector("input[type=search]");
  const list = form.querySelector("[data-part=hits]");
  const told = form.querySelector("[data-part=told]");
  let timer, turn = 0, chosen = -1;

  input.setAttribute("role", "combobox");
  input.setAttribute("aria-autocomplete", "list");
  input.setAttribute("aria-controls", list.id);
  input.setAttribute("aria-expanded", "false");

  const options = () => [...list.querySelectorAll("[role=option]")];

  function close() {
    turn += 1;
    list.hidden = true;
    chosen = -1;
    told.textContent = "";
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function choose(number) {
    const all = options();
    if (!all.length) return;
    all[chosen]?.setAttribute("aria-selected", "false");
    chosen = (number + all.length) % all.length;
    all[chosen].setAttribute("aria-selected", "true");
    all[chosen].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", all[chosen].id);
  }

  async function fetchHits() {
    const text = input.value.trim();
    if (!text) {
      close();
      return;
    }
    const mine = (turn += 1);
    let answer;
    try {
      const response = await fetch(`${form.action}?${new URLSearchParams({ q: text })}`, {
        credentials: "same-origin",
        headers: { "HX-Request": "true" },
      });
      if (!response.ok || response.redirected) throw new Error(response.statusText);
      answer = await response.text();
    } catch {
      // Enter still opens the page of the search, which says what is wrong.
      close();
      return;
    }
    // An earlier answer that comes late must not replace a later one.
    if (mine !== turn || document.activeElement !== input) return;
    list.innerHTML = answer;
    chosen = -1;
    input.removeAttribute("aria-activedescendant");
    const count = options().length;
    list.hidden = !count;
    input.setAttribute("aria-expanded", String(count > 0));
    told.textContent = count ? `${count} place${count === 1 ? "" : "s"}, arrows choose` : "Nothing fits";
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(fetchHits, WAIT);
  });
  input.addEventListener("focus", () => {
    input.select();
    if (input.value.trim()) fetchHits();
  });
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "Escape") {
      if (list.hidden && !input.value) input.blur();
      else if (list.hidden) input.value = "";
      else close();
      event.preventDefault();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) fetchHits();
      else choose(event.key === "ArrowDown" ? chosen + 1 : Math.max(chosen, 0) - 1);
    } else if (event.key === "Enter" && !list.hidden && chosen >= 0) {
      event.preventDefault();
      options()[chosen].click();
    }
  });
  form.addEventListener("focusout", (event) => {
    if (!form.contains(event.relatedTarget)) close();
  });
  // The field must keep the focus while an option is clicked, or the list is gone before the click.
  list.addEventListener("pointerdown", (event) => event.preventDefault());

  document.addEventListener("keydown", (event) => {
    const wanted = (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey)
      || (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !typing(event.target));
    if (!wanted || event.defaultPrevented) return;
    event.preventDefault();
    input.focus();
  });
}

/* Where a slash is a letter. */
function typing(target) {
  return Boolean(target.closest?.("input, textarea, select, [contenteditable], table.grid"));
}

for (const form of document.querySelectorAll("[data-search]")) start(form);
