/* Dialogs: [data-open-dialog="id"] opens a <dialog>; a form with data-confirm says what will go before it posts. */
const dialog = document.getElementById("confirm");

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-open-dialog]");
  if (opener) document.getElementById(opener.dataset.openDialog)?.showModal();
});

// Capturing, so that the question comes before what else listens for the form being sent.
document.addEventListener(
  "submit",
  (event) => {
    const form = event.target;
    if (!dialog || !form.dataset.confirm || form.dataset.confirmed) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    ask(form, event.submitter);
  },
  true,
);

function ask(form, submitter) {
  dialog.querySelector("[data-part=title]").textContent = form.dataset.confirmTitle || "Are you sure?";
  dialog.querySelector("[data-part=text]").textContent = form.dataset.confirm;
  dialog.querySelector("[value=yes]").textContent = form.dataset.confirmAction || "Continue";
  dialog.returnValue = "";
  dialog.addEventListener(
    "close",
    () => {
      if (dialog.returnValue !== "yes") return;
      form.dataset.confirmed = "yes";
      form.requestSubmit(submitter);
      delete form.dataset.confirmed;
    },
    { once: true },
  );
  dialog.showModal();
}
