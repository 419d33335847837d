// Keeps the overview up to date while somebody looks at it. Without it every page is whole; it is only as old as it says.
"use strict";

const EVERY_MS = 3000;
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
  for (const time of root.querySelectorAll("time[datetime]")) {
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
    const inside = child.querySelector(":scope > tbody");
    if (inside) renew(old.querySelector(":scope > tbody"), inside);
    else old.replaceWith(child);
  }
}

async function look() {
  const answer = await fetch(live.dataset.live + location.search, { cache: "no-cache", credentials: "same-origin" });
  if (!answer.ok) return;
  const asOf = document.querySelector("#as-of time");
  if (asOf) asOf.dateTime = answer.headers.get("Slipway-As-Of");
  if (answer.headers.get("ETag") === etag) return;
  etag = answer.headers.get("ETag");
  const fresh = new DOMParser().parseFromString(`<div id="fresh">${await answer.text()}</div>`, "text/html");
  const root = fresh.getElementById("fresh");
  tellTimes(root);
  tellTimes(live);
  renew(live, root);
}

async function keepLooking() {
  if (!document.hidden) {
    try {
      await look();
    } catch {
      // the server is away for a moment; the page keeps saying how old it is
    }
  }
  setTimeout(keepLooking, EVERY_MS);
}

tellTimes(document);
setInterval(() => tellTimes(document), EVERY_MS);
if (live) setTimeout(keepLooking, EVERY_MS);
