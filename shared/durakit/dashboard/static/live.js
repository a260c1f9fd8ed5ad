// What changes comes by itself: one stream tells that something changed, then this page is asked for again and its
// marked parts are replaced in place. Rows never move under the reader; new ones wait behind a button.
import {localize} from "./times.js";

const LEAST_MS = 1000;
const SILENCE_MS = 25000;
const RETRY_MS = [1000, 2000, 4000, 8000, 15000];

// Each part as the server wrote it, so that what did not change stays as it is. Read before script changes any.
const written = new WeakMap();
for (const part of document.querySelectorAll("[data-live][id]")) written.set(part, part.outerHTML);

/** Follow changes; returns `toggle` to pause and go on. */
export function startLive({enliven, times}) {
  const {liveTopic, hub, base} = document.body.dataset;
  const badge = document.getElementById("live");
  const page = new Page({enliven, times});
  startPolling(page);
  if (!liveTopic || hub === undefined || !badge) return {toggle: () => false};
  const follower = new Follower({address: `${base}/h/${hub}/live?topic=${encodeURIComponent(liveTopic)}`, badge, page, times});
  badge.hidden = false;
  follower.begin();
  document.addEventListener("visibilitychange", () => (document.hidden ? follower.rest() : follower.begin()));
  return {toggle: () => follower.toggle()};
}

/** Follows one stream of changes. */
class Follower {
  constructor({address, badge, page, times}) {
    Object.assign(this, {address, badge, page, times});
    this.tries = 0;
    this.isPaused = false;
    this.goneSince = null;
    document.addEventListener("click", (event) => { if (event.target.id === "try-now") this.begin(); });
  }

  begin() {
    this.rest();
    if (this.isPaused || document.hidden) return;
    const stream = this.stream = new EventSource(this.address);
    // That it is open says less: only from its first message on does the server watch for this page.
    stream.addEventListener("change", (event) => { this.heard(); this.changed(event.data); });
    stream.addEventListener("beat", () => this.heard());
    stream.onerror = () => this.failed();
  }

  rest() {
    clearTimeout(this.timer);
    clearTimeout(this.silence);
    this.stream?.close();
    this.stream = null;
  }

  heard() {
    this.tries = 0;
    this.show("live", "Live");
    this.back();
    clearTimeout(this.silence);
    // Without a sign of life for so long the connection may be dead: ask again.
    this.silence = setTimeout(() => this.begin(), SILENCE_MS);
  }

  changed(text) {
    let told = {};
    try { told = JSON.parse(text); } catch { /* Then all that is known is: something changed. */ }
    if (told.created) this.page.announce(told.created);
    this.page.refresh();
  }

  async failed() {
    this.rest();
    const wait = RETRY_MS[Math.min(this.tries++, RETRY_MS.length - 1)];
    this.timer = setTimeout(() => this.begin(), wait);
    if (this.tries < 2) { this.show("reconnecting", "Reconnecting"); return; }
    this.show("gone", "No answer");
    this.goneSince ??= Date.now();
    this.times.paused = true;
    tellGone(this.goneSince, Date.now() + wait);
  }

  back() {
    if (this.goneSince === null) return;
    tellBack(Date.now() - this.goneSince);
    this.goneSince = null;
    this.times.paused = false;
    this.page.refresh();
  }

  toggle() {
    this.isPaused = !this.isPaused;
    this.times.paused = this.page.isPaused = this.isPaused;
    if (this.isPaused) { this.rest(); this.show("paused", "Paused"); }
    else { this.begin(); this.page.refresh(); }
    return true;
  }

  show(state, words) {
    if (this.badge.dataset.state === state) return;
    this.badge.dataset.state = state;
    this.badge.textContent = words;
  }
}

/** The page as the server would make it now. */
class Page {
  constructor({enliven, times}) {
    Object.assign(this, {enliven, times});
    this.last = 0;
    this.newer = 0;
    this.isPaused = false;
    this.isStale = false;
    this.pressing = Promise.resolve();
    this.feelPresses();
  }

  // What is replaced between press and release gets no click.
  feelPresses() {
    let release = () => {};
    const later = () => setTimeout(release);  // The click follows at once.
    document.addEventListener("pointerdown", () => { release(); this.pressing = new Promise((resolve) => { release = resolve; }); }, true);
    for (const end of ["pointerup", "pointercancel", "contextmenu"]) document.addEventListener(end, later, true);
  }

  /** Ask for this page again, at most once a second, and replace what changed. */
  refresh() {
    this.isStale = true;
    if (this.timer) return;
    const wait = Math.max(this.last + LEAST_MS - Date.now(), 0);
    this.timer = setTimeout(async () => {
      // What changes from now on may not be in the answer any more.
      this.isStale = false;
      try { await this.fetch(); } finally { this.timer = null; this.last = Date.now(); }
      if (this.isStale) this.refresh();
    }, wait);
  }

  async fetch() {
    let answer;
    try {
      answer = await fetch(location.href, {headers: {"X-Durakit-Part": "1", Accept: "text/html"}});
    } catch { return; }  // The stream notices, too.
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    await this.pressing;
    if (this.isPaused) return;
    if (fresh.body.dataset.now) this.times.heard(Number(fresh.body.dataset.now));
    document.title = fresh.title;
    localize(fresh);
    this.replace(fresh);
    this.replaceBackdrop(fresh);
  }

  replace(fresh) {
    for (const old of document.querySelectorAll("[data-live][id]")) {
      const next = fresh.getElementById(old.id);
      if (!next) { if (old.tagName === "TR") old.classList.add("gone"); continue; }
      old.classList.remove("gone");
      if (written.get(old) === next.outerHTML) continue;
      const html = next.outerHTML;
      const made = document.importNode(next, true);
      keepState(old, made);
      const focused = focusIn(old);
      old.replaceWith(made);
      written.set(made, html);
      this.enliven(made);
      if (focused) (focused.id ? document.getElementById(focused.id) : made.querySelector(focused.path))?.focus();
    }
  }

  // The drawing's background stands beside its table.
  replaceBackdrop(fresh) {
    const old = document.getElementById("backdrop");
    const next = fresh.getElementById("backdrop");
    if (old && next) old.replaceWith(document.importNode(next, true));
  }

  /** Count new instances behind the button; the list stays still. */
  announce(count) {
    const fresh = document.getElementById("fresh");
    if (!fresh) return;
    this.newer += count;
    fresh.hidden = false;
    const words = this.newer === 1 ? "newer instance" : "newer instances";
    const link = document.getElementById("newer");
    link.textContent = `↑ ${this.newer.toLocaleString("en")} ${words}`;
  }
}

function keepState(old, made) {
  for (const box of old.querySelectorAll("input[type=checkbox]")) {
    const twin = [...made.querySelectorAll("input[type=checkbox]")].find((each) => each.name === box.name && each.value === box.value);
    if (twin) twin.checked = box.checked;
  }
  const opened = [...old.querySelectorAll("details")];
  const next = [...made.querySelectorAll("details")];
  opened.forEach((details, index) => {
    const twin = (details.id && next.find((each) => each.id === details.id)) || next[index];
    if (twin) twin.open = details.open;
  });
  for (const [name, twin] of [["diagram", made]]) if (old.id === name) queueMicrotask(() => twin.scrollTo(old.scrollLeft, old.scrollTop));
}

function focusIn(old) {
  const active = document.activeElement;
  if (!active || active === document.body || !old.contains(active)) return null;
  const href = active.getAttribute("href");
  return {id: active.id, path: href ? `a[href="${CSS.escape(href)}"]` : active.name ? `[name="${CSS.escape(active.name)}"]` : "a"};
}

function startPolling(page) {
  const polled = document.querySelector("[data-poll]");
  if (!polled) return;
  const timer = setInterval(async () => {
    await page.fetch();
    if (!document.querySelector("[data-poll]")) clearInterval(timer);
  }, Number(polled.dataset.poll));
}

function band(...parts) {
  const made = document.getElementById("gone");
  made.replaceChildren(...parts);
  made.hidden = false;
  return made;
}

let clock = null;

function tellGone(since, next) {
  const said = document.createElement("p");
  const seen = new Date(since);
  const strong = document.createElement("b");
  strong.textContent = `The scheduler at ${document.body.dataset.endpoint} does not answer.`;
  const rest = document.createTextNode("");
  said.append(strong, rest);
  const tries = document.createElement("span");
  tries.className = "muted";
  const button = document.createElement("button");
  button.type = "button";
  button.id = "try-now";
  button.textContent = "Try now";
  band(said, tries, button).classList.remove("back");
  document.body.classList.add("is-gone");
  for (const control of document.querySelectorAll("a[data-dialog]")) control.setAttribute("aria-disabled", "true");
  const write = () => {
    const ago = Math.round((Date.now() - since) / 1000);
    rest.textContent = ` What you see is from ${seen.toTimeString().slice(0, 8)}, ${ago} s ago. Acts are off until it is back. Your work is on disk: durakit dev continues where it stopped.`;
    tries.textContent = `Next try in ${Math.max(Math.ceil((next - Date.now()) / 1000), 0)} s`;
  };
  clearInterval(clock);
  clock = setInterval(write, 1000);
  write();
}

function tellBack(away) {
  clearInterval(clock);
  const said = document.createElement("p");
  said.textContent = `Back after ${Math.round(away / 1000)} s.`;
  const made = band(said);
  made.classList.add("back");
  document.body.classList.remove("is-gone");
  for (const control of document.querySelectorAll("a[data-dialog]")) control.removeAttribute("aria-disabled");
  setTimeout(() => { made.hidden = true; }, 5000);
}
