// Keeps a page up to date while somebody looks at it: the server says when something changed. Without it every page is whole; it is only as old as it says.
"use strict";

const EVERY_MS = 3000;
const AGAIN_MS = 30000;
const SETTLED_MS = 1000;
const live = document.getElementById("live");
let etag = null;

function ago(moment) {
  const seconds = (Date.now() - Date.parse(moment)) / 1000;
  if (Number.isNaN(seconds)) return moment;
  if (seconds < 1) return "just now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} days ago`;
}

function tellTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]:not(.clock)")) {
    const words = ago(time.dateTime);
    if (time.textContent !== words) time.textContent = words;
  }
}

// Replaces only what differs, so that focus, selection and scrolling stay where they are.
function renew(before, after) {
  const known = new Map([...before.children].map((child) => [child.dataset.key, child]));
  const same = before.children.length === after.children.length
    && [...after.children].every((child) => child.dataset.key && known.has(child.dataset.key));
  if (!same) {
    before.replaceChildren(...after.childNodes);
    return;
  }
  for (const child of [...after.children]) {
    const old = known.get(child.dataset.key);
    if (old.isEqualNode(child)) continue;
    const inside = child.querySelector(":scope > tbody, :scope > [data-renew]");
    const outside = old.querySelector(":scope > tbody, :scope > [data-renew]");
    if (inside && outside) renew(outside, inside);
    else exchange(old, child);
  }
}

// What somebody opened or closed stays so, and a log stays where it was scrolled to: at its end, which moves on, or
// so far above it.
function exchange(old, child) {
  const scrolled = new Map();
  for (const part of old.querySelectorAll("details[id], pre[id]")) {
    const heir = child.querySelector(`#${CSS.escape(part.id)}`);
    if (!heir) continue;
    if (part.tagName === "DETAILS") heir.open = part.open;
    else scrolled.set(heir, { up: part.scrollTop, height: part.scrollHeight, focused: part === document.activeElement });
  }
  old.replaceWith(child);
  for (const [log, { up, height, focused }] of scrolled) {
    if (up < 0) log.scrollTop = up - (log.scrollHeight - height);
    if (focused) log.focus({ preventScroll: true });
  }
}

function tellAsOf(moment) {
  const asOf = document.querySelector("#as-of time");
  if (asOf && moment) asOf.dateTime = moment;
}

async function look() {
  const answer = await fetch(live.dataset.live + location.search, { cache: "no-cache", credentials: "same-origin" });
  if (!answer.ok) return;
  tellAsOf(answer.headers.get("Slipway-As-Of"));
  if (answer.headers.get("ETag") === etag) return;
  etag = answer.headers.get("ETag");
  const fresh = new DOMParser().parseFromString(`<div id="fresh">${await answer.text()}</div>`, "text/html");
  const root = fresh.getElementById("fresh");
  tellTimes(root);
  tellTimes(live);
  renew(live, root);
}

let looking = null;

// One look at a time; whatever changed meanwhile is seen by one more.
async function keepUp() {
  if (looking) {
    looking = "again";
    return;
  }
  looking = "now";
  try {
    await look();
  } catch {
    // the server is away for a moment; the page keeps saying how old it is
  }
  const again = looking === "again";
  looking = null;
  if (again) keepUp();
}

let events = null;
let asking = null;
let later = null;

function stop() {
  if (events) events.close();
  clearInterval(asking);
  clearTimeout(later);
}

// Where the server has no room for one more listener, the page asks by itself and tries again later. Nobody looks at a
// hidden page, so it leaves its place to others.
function listen() {
  stop();
  events = new EventSource(live.dataset.events);
  events.addEventListener("change", (event) => {
    if (event.data !== live.dataset.version) keepUp();
    live.dataset.version = event.data;
  });
  events.addEventListener("look", (event) => tellAsOf(event.data));
  events.addEventListener("error", () => {
    if (events.readyState !== EventSource.CLOSED) return;
    asking = setInterval(keepUp, EVERY_MS);
    later = setTimeout(listen, AGAIN_MS);
  });
}

// Whoever clicks on at once takes no place.
function listenSoon() {
  stop();
  if (!document.hidden) later = setTimeout(listen, SETTLED_MS);
}

tellTimes(document);
setInterval(() => tellTimes(document), EVERY_MS);
if (live) {
  document.addEventListener("visibilitychange", listenSoon);
  listenSoon();
}
