// Copies what stands beside a button. Without this the buttons are not shown, and the text can be marked.
"use strict";

for (const button of document.querySelectorAll("[data-copy]")) {
  const label = button.innerHTML;
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
      button.textContent = "Copied";
    } catch {
      button.textContent = "Mark it by hand";
    }
    setTimeout(() => { button.innerHTML = label; }, 2000);
  });
}
