// Shows the calls that a filter finds while it looks at them one by one.
"use strict";
(() => {
  const rows = document.getElementById("rows");
  if (!rows?.dataset.scan) return;
  const get = id => document.getElementById(id), grouped = n => n.toLocaleString("en").replaceAll(",", "\u202f");
  const source = new EventSource(rows.dataset.scan);
  const end = text => { source.close(); get("progress").textContent = text; rows.dataset.scanned = "yes"; };
  source.addEventListener("rows", message => {
    const part = document.createElement("template");
    part.innerHTML = message.data;
    rows.append(part.content);
  });
  source.addEventListener("progress", message => {
    const {done, total} = JSON.parse(message.data);
    get("progress").textContent = `${grouped(done)} of ${grouped(total)} calls looked at, ${grouped(rows.rows.length)} found…`;
  });
  source.addEventListener("failed", message => end(message.data));
  source.addEventListener("done", message => {
    const {next, scanned, incomplete} = JSON.parse(message.data), link = get("next");
    end(`${grouped(scanned)} calls looked at${incomplete ? "; there are more: go on with the next page" : ""}.`);
    if (next) link.href = next;
    link.hidden = !next;
    get("none").hidden = rows.rows.length > 0 || incomplete;
  });
  source.onerror = () => end("The connection was lost. Reload the page to look again.");
})();
