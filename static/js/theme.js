/* The theme switch: [data-theme-switch] holds buttons with data-theme-choice "auto", "light" or "dark". */
const root = document.documentElement;

function show(theme) {
  root.dataset.theme = theme;
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === theme));
  }
}

function choose(theme) {
  show(theme);
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // Storage may be switched off; the choice then lasts for this page.
  }
}

for (const holder of document.querySelectorAll("[data-theme-switch]")) {
  holder.hidden = false;
  holder.addEventListener("click", (event) => {
    const button = event.target.closest("[data-theme-choice]");
    if (button) choose(button.dataset.themeChoice);
  });
}
show(root.dataset.theme || "auto");
window.addEventListener("storage", (event) => {
  if (event.key === "theme") show(event.newValue || "auto");
});
