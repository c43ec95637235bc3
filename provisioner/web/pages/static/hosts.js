// What is checked in the table of hosts: counted, kept when rows are sent anew, and checked from one to another.
"use strict";

const chosen = new Set();
let last = null;

const boxes = () => [...document.querySelectorAll("#hosts input[name=host]")];

function tell() {
  const told = document.getElementById("chosen-told");
  if (!told) return;
  const here = boxes().filter((box) => chosen.has(box.value)).length; // what is sent
  const gone = chosen.size - here;
  told.textContent = chosen.size
    ? `${here} host${here === 1 ? "" : "s"} chosen${gone ? `, ${gone} more no longer shown here` : ""}.`
    : "Check hosts in the table to deploy them.";
  document.querySelector("#chosen [value=chosen]").disabled = !here;
  const all = document.getElementById("choose-all");
  if (!all) return;
  all.checked = here > 0 && here === boxes().length;
  all.indeterminate = here > 0 && here < boxes().length;
}

function set(box, checked) {
  box.checked = checked;
  if (checked) chosen.add(box.value);
  else chosen.delete(box.value);
}

function restore() {
  for (const box of boxes()) box.checked = chosen.has(box.value);
  addAll();
  tell();
}

// one for all of this page stands in the heading, where there is a script that can obey it
function addAll() {
  const cell = document.querySelector("#hosts thead .check");
  if (!cell || document.getElementById("choose-all")) return;
  const label = document.createElement("label");
  const box = Object.assign(document.createElement("input"), { type: "checkbox", id: "choose-all" });
  box.setAttribute("aria-label", "Choose all hosts of this page");
  label.append(box);
  cell.replaceChildren(label);
}

document.addEventListener("change", (event) => {
  const box = event.target;
  if (box.id === "choose-all") {
    for (const each of boxes()) set(each, box.checked);
    tell();
  } else if (box.matches("#hosts input[name=host]")) {
    set(box, box.checked);
    last = box;
    tell();
  }
});

document.addEventListener("click", (event) => {
  const box = event.target;
  if (!event.shiftKey || !last || !box.matches?.("#hosts input[name=host]")) return;
  const all = boxes();
  const [from, to] = [all.indexOf(last), all.indexOf(box)].sort((a, b) => a - b);
  if (from >= 0) for (const each of all.slice(from, to + 1)) set(each, box.checked);
});

// filters that are chosen act at once
document.querySelector("form.filters")?.addEventListener("change", (event) => {
  if (event.target.matches("select")) event.target.form.requestSubmit();
});

document.addEventListener("htmx:sse:after:message", restore);
for (const box of boxes()) if (box.checked) chosen.add(box.value);
restore();
