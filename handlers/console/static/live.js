// Adds calls, or events, to the Live page as they come: a call has one row, which
// is updated and moves to the top. The id of each message is the
// sequence of its last event: whenever the connection is lost, the page goes on
// behind the last one it has seen.
"use strict";
(() => {
  const live = document.getElementById("live");
  if (!live || !document.getElementById("link")) return;
  const maxRows = 500, maxWaiting = 2000;
  const bands = ["none", "good", "fair", "poor", "bad"];
  const get = id => document.getElementById(id);
  const calls = "calls" in live.dataset;
  const rows = get("rows"), link = get("link"), pause = get("pause"), spark = get("spark");
  const minutes = new Map((JSON.parse(live.dataset.minutes) || []).map(m => [m.t, m.n]));
  let after = live.dataset.after, total = 0, waiting = [], held = 0, paused = false, drawing = false, source, wait = 1000;

  function connect() {
    const query = new URLSearchParams({after});
    if (live.dataset.filter) query.set("filter", live.dataset.filter);
    source = new EventSource((document.body.dataset.base || "") + "/stream/events?" + query);
    source.onopen = () => { say("live", "live"); wait = 1000; };
    source.onerror = () => {
      say("lost", "connection lost, trying again");
      source.close(); // by our own account of what was seen, not the browser's
      setTimeout(connect, wait);
      wait = Math.min(wait * 2, 15000);
    };
    source.addEventListener("rows", message => {
      after = message.lastEventId;
      const part = document.createElement("template");
      part.innerHTML = message.data;
      take([...part.content.children]);
    });
    source.addEventListener("gap", message => {
      after = message.lastEventId;
      const gap = get("gap");
      gap.hidden = false;
      gap.textContent = `${message.data} older events were skipped: this page was away for long. Reload it to see the list as it is.`;
    });
  }

  function say(state, text) {
    link.className = "link " + state;
    if (link.textContent !== text) link.textContent = text;
  }

  // take counts rows, newest first, and shows them with the next frame.
  function take(fresh) {
    total += fresh.length;
    for (const row of fresh) {
      const t = Number(row.dataset.t), n = minutes.get(t) || {};
      n[row.dataset.band] = (n[row.dataset.band] || 0) + 1;
      minutes.set(t, n);
    }
    waiting = fresh.concat(waiting);
    held += fresh.length;
    if (waiting.length > maxWaiting) waiting.length = maxWaiting;
    draw();
  }

  // merge makes one row of those of a call. A cell that the newest does not know
  // keeps what was known, and a call that is over keeps its status.
  function merge(fresh) {
    const shown = new Map([...rows.rows].map(row => [row.dataset.call, row])), kept = [];
    for (const row of fresh.slice().reverse()) { // oldest first
      const old = shown.get(row.dataset.call);
      if (old) {
        [...row.cells].forEach((cell, i) => {
          const was = old.cells[i];
          if (!cell.textContent.trim() || i === 3 && "final" in old.dataset && was.textContent.trim()) cell.replaceWith(was.cloneNode(true));
        });
        if ("final" in old.dataset) row.dataset.final = "";
        old.remove();
        const at = kept.indexOf(old);
        if (at >= 0) kept.splice(at, 1);
      }
      shown.set(row.dataset.call, row);
      kept.unshift(row);
    }
    return kept;
  }

  function draw() {
    if (drawing) return;
    drawing = true;
    requestAnimationFrame(() => { drawing = false; show(); });
  }

  function show() {
    get("total").textContent = total.toLocaleString("en").replaceAll(",", "\u202f");
    get("waiting").textContent = paused && held ? `, ${held} wait` : "";
    if (!paused && waiting.length) {
      const fresh = waiting.slice(0, maxRows);
      waiting = [];
      held = 0;
      if (fresh.length <= 20) fresh.forEach(row => row.classList.add("fresh"));
      rows.prepend(...(calls ? merge(fresh) : fresh));
      while (rows.rows.length > maxRows) rows.lastElementChild.remove();
      get("empty").hidden = true;
    }
    sparkline();
  }

  function sparkline() {
    const now = Math.floor(Date.now() / 60000), newest = Math.max(now, ...minutes.keys());
    for (const t of minutes.keys()) if (t <= newest - 60) minutes.delete(t);
    const sum = n => bands.reduce((all, b) => all + (n[b] || 0), 0);
    const tallest = Math.max(1, ...[...minutes.values()].map(sum));
    const parts = [];
    const rect = (name, x, y, h) => {
      const r = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      for (const [k, v] of Object.entries({class: name, x, y, width: 3, height: h})) r.setAttribute(k, v);
      parts.push(r);
    };
    for (let i = 0; i < 60; i++) {
      const n = minutes.get(newest - 59 + i);
      rect("base", i * 4, 35, 1);
      let y = 35;
      for (const b of n ? bands : []) {
        const h = (n[b] || 0) / tallest * 34;
        if (h > 0) rect(b, i * 4, y -= h, h);
      }
    }
    spark.replaceChildren(...parts);
    const last = sum(minutes.get(newest) || {}), all = [...minutes.values()].reduce((a, n) => a + sum(n), 0);
    get("rate").textContent = `${last} this minute`;
    spark.setAttribute("aria-label", `Events per minute: ${last} in this minute, ${all} in the last hour as far as this page knows`);
  }

  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", paused);
    pause.textContent = paused ? "Resume" : "Pause";
    draw();
  });
  document.addEventListener("keydown", event => {
    if (event.key === "p" && !event.ctrlKey && !event.metaKey && !event.altKey && (event.target === document.body || event.target.id === "main")) pause.click();
  });
  setInterval(() => draw(), 10000);
  sparkline();
  connect();
})();
