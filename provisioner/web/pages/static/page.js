// What pages do by themselves: times go on, a lost connection is told, a command is copied, a form is sent once.
// Nothing here is needed for reading.
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

// a row of links that is longer than the screen shows the link of this page
for (const here of document.querySelectorAll(".bar > nav [aria-current], .kinds [aria-current]")) {
  const row = here.parentElement;
  row.scrollLeft += here.getBoundingClientRect().left - row.getBoundingClientRect().left
    - (row.clientWidth - here.offsetWidth) / 2;
}

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

// a stream that ends is opened again by itself; only what lasts is told: that it was never opened, too
const live = document.getElementById("live");
const notice = document.getElementById("lost");
const LOST = notice.textContent;
let lost = null;
let refusal;

function connected() {
  clearTimeout(lost);
  lost = null;
  refusal = undefined;
  notice.hidden = true;
}

function tell() {
  notice.textContent = refusal === 429 ? "Too many pages are open: this one does not go on by itself." : LOST;
  notice.hidden = false;
}

function failed(status) {
  if ([401, 403, 404, 410].includes(status)) return location.reload();
  refusal = status;
  if (!notice.hidden) tell();
  lost ??= setTimeout(tell, 5000);
}

document.addEventListener("htmx:sse:after:connection", connected);
document.addEventListener("htmx:sse:after:message", () => { connected(); tick(); });
document.addEventListener("htmx:sse:error", (event) => failed(event.detail?.status));
document.addEventListener("gone", () => location.reload());
if (live) failed();

// what has never been a stream is not opened again by htmx
function again(event) {
  const context = event.detail?.ctx;
  if (!live || context?.sourceElement !== live) return;
  failed(context.response?.status);
  setTimeout(() => htmx.trigger(live, "again"), 2000 + 2000 * Math.random());
}
document.addEventListener("htmx:response:error", again);
document.addEventListener("htmx:error", again);

// a second click is not a second order
const sent = new Map();
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || event.defaultPrevented) return;
  if (Date.now() - (sent.get(form) ?? -Infinity) < 10000) event.preventDefault();
  else sent.set(form, Date.now());
});
addEventListener("pageshow", () => sent.clear());
