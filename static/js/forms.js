/* Comforts of forms: data-autosubmit sends a filter form when a choice changes, data-once lets a form be sent once,
   data-check-all ticks every box of the same form and name. */
document.addEventListener("change", (event) => {
  const field = event.target;
  if (field.matches("[data-check-all]")) {
    // A form's elements may stand outside of it.
    const fields = field.form?.elements ?? field.closest("table").querySelectorAll("input");
    for (const box of fields) {
      if (box.type === "checkbox" && box.name === field.dataset.checkAll && !box.disabled) box.checked = field.checked;
    }
  }
  if (field.form?.matches("[data-autosubmit]") && field.matches("select, [type=checkbox], [type=radio]")) {
    field.form.requestSubmit();
  }
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || !form.matches("[data-once]")) return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  form.setAttribute("aria-busy", "true");
  // Not disabled: a disabled button's name and value would not be sent.
  for (const button of form.querySelectorAll("button:not([type=button])")) button.setAttribute("aria-disabled", "true");
});

// A page brought back by the Back button must be usable again.
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    form.removeAttribute("aria-busy");
    for (const button of form.querySelectorAll("[aria-disabled]")) button.removeAttribute("aria-disabled");
  }
});
