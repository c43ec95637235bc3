// A recorded serial console in a terminal, followed while it is recorded. Nothing that is typed is sent.
"use strict";

// The page's policy lets no element `style` and no attribute `style` in. The terminal writes its rules into such
// elements: here each of them stands for a constructed style sheet, which is no markup.
const create = document.createElement.bind(document);
document.createElement = (name, options) => (name === "style" ? sheetElement() : create(name, options));

function sheetElement() {
  const element = create("span"), sheet = new CSSStyleSheet();
  element.hidden = true;
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  const rules = { set: (text) => sheet.replaceSync(text), get: () => "" };
  Object.defineProperties(element, { textContent: rules, innerText: rules });
  element.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((each) => each !== sheet);
    Element.prototype.remove.call(element);
  };
  return element;
}

HTMLSpanElement.prototype.setAttribute = function (name, value) {
  if (name === "style") this.style.cssText = value;
  else Element.prototype.setAttribute.call(this, name, value);
};

const COLUMNS = 100;
const place = document.getElementById("console");
if (place) follow(place);

async function follow(place) {
  const width = place.clientWidth;
  const terminal = new Terminal({
    cols: COLUMNS, rows: 30, scrollback: 20000, disableStdin: true, convertEol: true, cursorBlink: false,
    fontSize: Math.max(8, Math.min(13, Math.floor(width / COLUMNS / 0.62))),
    fontFamily: 'ui-monospace, "Cascadia Mono", "Noto Sans Mono", Menlo, Consolas, monospace',
    theme: { background: "#10181c", foreground: "#d9e3e8" },
  });
  const text = place.firstElementChild;
  text.hidden = true;
  terminal.open(place);
  terminal.attachCustomKeyEventHandler(() => false);  // the keyboard is the page's
  let offset = 0, pause = 0;
  for (;;) {
    const answer = await read(place.dataset.output, offset, pause ? 0 : 20);
    if (!answer) {
      pause = Math.min(30, pause * 2 + 1);
      await new Promise((resolve) => setTimeout(resolve, 1000 * pause));
      continue;
    }
    pause = 0;
    const data = bytes(answer.data);
    terminal.write(data);
    if (answer.offset > offset) offset = answer.offset;
    if (!answer.live && !data.length) {
      if (answer.newest) {
        terminal.write(`\r\n[cut here: what follows are the newest ${kilobytes(bytes(answer.newest).length)}]\r\n`);
        terminal.write(bytes(answer.newest));
      }
      tell("recorded");
      return;
    }
    tell(answer.live ? "recording" : "recorded");
  }
}

async function read(path, offset, wait) {
  try {
    const reply = await fetch(`${path}?offset=${offset}&wait=${wait}`, { headers: { Accept: "application/json" } });
    if (reply.status === 401 || reply.status === 403) location.reload();
    return reply.ok ? await reply.json() : null;
  } catch {
    return null;
  }
}

function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

function kilobytes(length) {
  return `${Math.round(length / 1000)} kB`;
}

function tell(word) {
  const place = document.querySelector("#console-state span");
  if (place && place.textContent !== word) place.textContent = word;
}
