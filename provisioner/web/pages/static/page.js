// What pages do by themselves: times go on, a lost connection is told, a command is copied. Nothing here is
// needed for reading.
"use strict";

const UNITS = [[86400 * 2, 86400, "day"]];

function told(seconds) {
  if (Math.abs(seconds) < 1) return "now";
  const far = Math.abs(seconds);
  const [from, unit, noun] = UNITS[0];
  const count = Math.floor(far / unit);
  const words = far < from ? duration(far) : `${count} ${noun}${count === 1 ? "" : "s"}`;
  return seconds < 0 ? `in ${words}` : `${words} ago`;
}

function duration(seconds) {
  const whole = Math.round(seconds);
  const two = (number) => String(number).padStart(2, "0");
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} m`;
}

// the service's clock, as far as the page's Date header told it
const skew = (() => {
  const said = document.querySelector("meta[name=service-time]");
  return said ? Number(said.content) - Date.now() / 1000 : 0;
})();

function tick() {
  const now = Date.now() / 1000 + skew;
  for (const each of document.querySelectorAll("time[datetime]")) {
    const text = told(now - Date.parse(each.dateTime) / 1000);
    if (each.textContent !== text) each.textContent = text;
  }
}
setInterval(tick, 1000);
document.addEventListener("visibilitychange", () => document.hidden || tick());

// copies what stands beside a button, or has the id that it names; without this the buttons are not shown
if (navigator.clipboard) document.documentElement.classList.add("copies");
document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (!button) return;
  const id = button.dataset.copy;
  const source = id ? document.getElementById(id) : button.previousElementSibling;
  try {
    await navigator.clipboard.writeText(source.textContent.trim());
    button.textContent = "Copied";
  } catch {
    button.textContent = "Mark it by hand";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
});

// what is shown is always of what is chosen: until the new plan is there, the old one cannot be ordered
const options = document.querySelector("form[data-replan]");
const order = document.querySelector("form.confirm");
if (options) {
  options.addEventListener("change", (event) => {
    if (order) order.inert = true;
    sessionStorage.setItem("replanned", event.target.name);
    if (options.reportValidity()) options.requestSubmit();
  });
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    options.reset();
    if (order) order.inert = false;
  });
  const name = sessionStorage.getItem("replanned");
  sessionStorage.removeItem("replanned");
  if (name) options.elements[name]?.focus?.({ preventScroll: true });
}

// a stream that ends is opened again by itself; only what lasts is told
let lost = null;
function connected() {
  clearTimeout(lost);
  lost = null;
  document.getElementById("lost").hidden = true;
}
document.addEventListener("htmx:sse:after:connection", connected);
document.addEventListener("htmx:sse:after:message", () => { connected(); tick(); });
document.addEventListener("htmx:sse:error", () => {
  lost ??= setTimeout(() => { document.getElementById("lost").hidden = false; }, 5000);
});
document.addEventListener("gone", () => location.reload());
document.addEventListener("htmx:sse:error", (event) => {
  if (event.detail?.status === 401 || event.detail?.status === 403) location.reload();
});
