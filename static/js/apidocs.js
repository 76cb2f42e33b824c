/* The page of the API: what Swagger UI leaves open for dark colours and the keyboard. [data-api-docs] is where it draws. */
const root = document.documentElement;
const system = window.matchMedia("(prefers-color-scheme: dark)");

/* It has a class for dark colours, which follows the portal's choice and the system's. */
function follow() {
  const chosen = root.dataset.theme;
  root.classList.toggle("dark-mode", chosen === "dark" || (chosen !== "light" && system.matches));
}

system.addEventListener("change", follow);
new MutationObserver(follow).observe(root, { attributeFilter: ["data-theme"] });
follow();

/* What it draws without a name, and what to call it. */
const NAMES = {
  ".close-modal": "Close",
  ".body-param textarea": "Body of the request",
  ".examples-select-element": "Example",
  ".auth-btn-wrapper .authorize": "Authorize",
};

for (const place of document.querySelectorAll("[data-api-docs]")) {
  const mend = () => {
    for (const [which, name] of Object.entries(NAMES)) {
      for (const part of place.querySelectorAll(which)) {
        if (part.getAttribute("aria-label") !== name) part.setAttribute("aria-label", name);
      }
    }
    // Long texts scroll within themselves, so the keyboard must reach them.
    for (const text of place.querySelectorAll("pre:not([tabindex])")) text.tabIndex = 0;
  };
  new MutationObserver(mend).observe(place, { childList: true, subtree: true });
  mend();

  document.addEventListener("keydown", (event) => {
    const close = event.key === "Escape" && place.querySelector(".modal-ux .close-modal");
    if (!close) return;
    close.click();
    place.querySelector(".btn.authorize")?.focus();
  });
}
