/* Live countdowns: [data-countdown] holds the deadline and [data-now] the server's clock, both in ISO form.
   The browser's own clock is never trusted for what is left, only for how time passes. */
const MINUTE = 60_000;
const loaded = performance.now();

export function left(milliseconds) {
  if (milliseconds <= 0) return "closed";
  const minutes = Math.floor(milliseconds / MINUTE);
  const days = Math.floor(minutes / 1440);
  const hours = Math.floor((minutes % 1440) / 60);
  if (days) return `${days} d ${hours} h left`;
  if (hours) return `${hours} h ${minutes % 60} min left`;
  return minutes ? `${minutes} min left` : "less than a minute left";
}

function tick() {
  for (const element of document.querySelectorAll("[data-countdown]")) {
    const now = Date.parse(element.dataset.now) + (performance.now() - loaded);
    const text = left(Date.parse(element.dataset.countdown) - now);
    if (element.textContent !== text) element.textContent = text;
  }
}

if (document.querySelector("[data-countdown]")) {
  tick();
  setInterval(tick, 15_000);
  // A laptop that slept shows the right figure as soon as it is looked at.
  document.addEventListener("visibilitychange", tick);
}
