// What all pages share: keys, copying, and saying what came of it.
"use strict";
document.addEventListener("click", async event => {
  const button = event.target.closest("button[data-copy], button[data-copy-link]");
  if (!button) return;
  const link = "copyLink" in button.dataset;
  const text = link ? location.href : document.getElementById(button.dataset.copy).textContent;
  const told = button.nextElementSibling;
  try {
    await navigator.clipboard.writeText(text);
    told.textContent = "Copied.";
  } catch {
    if (link) {
      told.textContent = text;
      return;
    }
    const range = document.createRange();
    range.selectNodeContents(document.getElementById(button.dataset.copy));
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    told.textContent = "Selected: copy it with the keyboard.";
  }
});

// "/" goes to the search, "g" and a letter to a page. Not while somebody types.
(() => {
  const pages = {o: "/", c: "/calls", l: "/live", i: "/incidents", r: "/rules"};
  let since = 0;
  document.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, [contenteditable], .editor")) return;
    if (event.key === "/") {
      const box = document.getElementById("q") || document.getElementById("search");
      if (box) {
        event.preventDefault();
        box.focus();
        box.select();
      }
    } else if (event.key === "g") {
      since = event.timeStamp;
      return;
    } else if (event.timeStamp - since < 1500 && pages[event.key]) {
      location.href = (document.body.dataset.base || "") + pages[event.key];
    }
    since = 0;
  });
  document.addEventListener("change", event => {
    if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
  });
})();
