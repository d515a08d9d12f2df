// What all pages share: copying, and saying what came of it.
"use strict";
document.addEventListener("click", async event => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const text = document.getElementById(button.dataset.copy).textContent;
  const told = button.nextElementSibling;
  try {
    await navigator.clipboard.writeText(text);
    told.textContent = "Copied.";
  } catch {
    const range = document.createRange();
    range.selectNodeContents(document.getElementById(button.dataset.copy));
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    told.textContent = "Selected: copy it with the keyboard.";
  }
});
