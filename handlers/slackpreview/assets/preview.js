// Keeps the page up to date: each section arrives as HTML from the server, which
// has escaped it, and replaces only the elements that changed.
'use strict';

const sections = ['counts', 'events', 'incidents', 'threads'];
const source = new WeakMap(); // element -> the HTML it came as

function adopt(element) {
  source.set(element, element.outerHTML);
  for (const time of element.querySelectorAll('time')) {
    time.textContent = local(time);
    time.title = new Date(time.dateTime).toLocaleString();
  }
  return element;
}

function local(time) {
  const at = new Date(time.dateTime);
  if (isNaN(at)) return time.textContent;
  return at.toLocaleTimeString('en-GB') + ('age' in time.dataset ? ' · ' + age(at) : '');
}

function age(at) {
  const seconds = Math.max(0, Math.round((Date.now() - at) / 1000));
  if (seconds < 60) return seconds + ' s ago';
  if (seconds < 3600) return Math.floor(seconds / 60) + ' min ago';
  if (seconds < 172800) return Math.floor(seconds / 3600) + ' h ago';
  return Math.floor(seconds / 86400) + ' days ago';
}

function update(list, html) {
  const template = document.createElement('template');
  template.innerHTML = html;
  const have = new Map(Array.from(list.children, (e) => [e.dataset.key, e]));
  const next = Array.from(template.content.children, (e) => {
    const old = have.get(e.dataset.key);
    if (old && source.get(old) === e.outerHTML) return old;
    adopt(e);
    if (!old) e.classList.add('fresh');
    return e;
  });
  let at = list.firstElementChild;
  const keep = new Set(next);
  for (const element of next) {
    while (at && !keep.has(at)) at = drop(at);
    if (element === at) at = at.nextElementSibling;
    else list.insertBefore(element, at);
  }
  while (at) at = drop(at);
}

function drop(element) {
  const next = element.nextElementSibling;
  element.remove();
  return next;
}

function connect() {
  const link = document.getElementById('link');
  const say = (state, text) => { link.className = state; link.textContent = text; };
  const stream = new EventSource('/console/stream');
  stream.onopen = () => say('live', 'live');
  stream.onerror = () => {
    say('lost', 'connection lost, trying again');
    if (stream.readyState === EventSource.CLOSED) setTimeout(connect, 3000);
  };
  for (const id of sections) {
    stream.addEventListener(id, (message) => update(document.getElementById(id), message.data));
  }
}

for (const id of sections) {
  for (const element of document.getElementById(id).children) adopt(element);
}
setInterval(() => {
  for (const time of document.querySelectorAll('time[data-age]')) time.textContent = local(time);
}, 1000);
connect();
