/* A notice whose link is followed has been read. Without this script the button beside it says so. */
const secret = document.querySelector('meta[name="csrf-token"]').content;

for (const inbox of document.querySelectorAll("[data-inbox]")) {
  for (const event of ["click", "auxclick"]) {
    inbox.addEventListener(event, ({ target, button }) => {
      const link = target.closest("a[data-read]");
      if (link && button < 2) {
        fetch(link.dataset.read, { method: "POST", headers: { "X-CSRFToken": secret }, keepalive: true });
        link.removeAttribute("data-read");
      }
    });
  }
}
