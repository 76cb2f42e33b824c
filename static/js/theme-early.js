/* Runs before the first paint: without it a page chosen dark would flash light. The key and the values are those
   of Django's admin, so that one choice holds in both. */
(function () {
  var theme = null;
  try {
    theme = window.localStorage.getItem("theme");
  } catch (blocked) {
    // Storage may be switched off; the system's preference then decides.
  }
  document.documentElement.dataset.theme = theme === "light" || theme === "dark" ? theme : "auto";
})();
