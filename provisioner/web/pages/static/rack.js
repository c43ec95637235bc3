// At the rack: a camera that reads labels, a scanner that types, a printer. All of it can be done without.
"use strict";

const field = document.getElementById("text");

// a scanner types like a keyboard: what it types goes into the field, wherever the focus is
if (field) {
  if (matchMedia("(pointer: fine)").matches) field.focus();
  document.addEventListener("keydown", (event) => {
    const inField = event.target.closest?.("input, select, textarea, button, dialog");
    if (inField || event.ctrlKey || event.altKey || event.metaKey || event.key.length !== 1) return;
    field.value = "";
    field.focus();
  });
}

const camera = document.getElementById("camera");
const FORMATS = ["qr_code", "code_128", "code_39", "data_matrix", "ean_13"];
let stream = null;

function stop() {
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = null;
  if (camera.open) camera.close();
}

function say(words) {
  const said = document.getElementById("camera-says");
  said.textContent = words;
  said.hidden = false;
}

async function scan() {
  const picture = document.getElementById("picture");
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch {
    say("The camera may not be used here. Allow it in the browser, or type what the label says.");
    return;
  }
  camera.showModal();
  picture.srcObject = stream;
  await picture.play();
  const known = await BarcodeDetector.getSupportedFormats();
  const detector = new BarcodeDetector({ formats: FORMATS.filter((format) => known.includes(format)) });
  while (stream) {
    const [found] = await detector.detect(picture).catch(() => []);
    if (found) {
      stop();
      navigator.vibrate?.(80);
      field.value = found.rawValue;
      field.form.requestSubmit();
      return;
    }
    await new Promise((next) => { setTimeout(next, 150); });
  }
}

if (camera && "BarcodeDetector" in window && navigator.mediaDevices) {
  document.getElementById("with-camera").hidden = false;
  document.getElementById("scan").addEventListener("click", scan);
  document.getElementById("stop").addEventListener("click", stop);
  camera.addEventListener("close", stop);
} else if (camera) {
  say("This browser cannot read codes: type the name.");
}

const print = document.getElementById("print");
if (print) {
  print.hidden = false;
  document.getElementById("how-to-print").hidden = true;
  print.addEventListener("click", () => window.print());
}
