/* What htmx cannot put anywhere: a request that never arrived, or an answer nobody swaps, becomes a sentence. */
function say(sentence) {
  const region = document.getElementById("messages");
  const note = document.createElement("p");
  note.className = "note note-bad";
  note.textContent = sentence;
  region.replaceChildren(note);
  region.scrollIntoView({ block: "nearest" });
}

for (const failure of ["htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(failure, () => {
    say("The portal could not be reached, so nothing was changed. Check your connection and try again.");
  });
}

document.addEventListener("htmx:responseError", (event) => {
  if (event.detail.xhr.status === 401) {
    say("You are signed out. Sign in again in another tab, then repeat what you did here.");
  } else if (event.detail.xhr.status >= 500) {
    say("The portal could not finish this. Try again in a moment; if it keeps failing, tell your administrator.");
  }
});
