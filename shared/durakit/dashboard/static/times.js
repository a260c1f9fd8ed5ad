// Times that go on: "3 min ago", countdowns, durations of what runs, and the line of now. UTC or local.
const UNITS = [[86400, "d", 3600, "h"], [3600, "h", 60, "min"], [60, "min", 1, "s"]];

/** Return `3 s`, `11 min 24 s`, `1 h 12 min`, `3 d 4 h`, in the server's words. */
export function rough(milliseconds) {
  const seconds = Math.max(Math.floor(milliseconds / 1000), 0);
  for (const [unit, name, small, smallName] of UNITS) {
    if (seconds < unit) continue;
    const rest = Math.floor((seconds % unit) / small);
    return `${Math.floor(seconds / unit)} ${name}${rest ? ` ${rest} ${smallName}` : ""}`;
  }
  return `${seconds} s`;
}

/** Keep times up to date; `paused` stops them, `now` is the server's clock as far as it is known. */
export function startTimes() {
  let ahead = Number(document.body.dataset.now || Date.now()) - Date.now();
  const times = {
    paused: false,
    now: () => Date.now() + ahead,
    /** Take over the clock of a page that was fetched again. */
    heard(milliseconds) { ahead = milliseconds - Date.now(); },
  };
  const button = document.getElementById("zone");
  if (button) startZone(button);
  setInterval(() => { if (!times.paused && !document.hidden) tick(times.now()); }, 1000);
  return times;
}

function tick(now) {
  for (const element of document.querySelectorAll("[data-since]")) write(element, `${rough(now - element.dataset.since)} ago`);
  for (const element of document.querySelectorAll("[data-running]")) write(element, rough(now - element.dataset.running));
  for (const element of document.querySelectorAll("[data-due]")) {
    const text = rough(element.dataset.due - now);
    // In a drawing the words before the countdown stay: "attempt 3 in 4 s".
    const said = element.dataset.said ??= element.textContent.replace(/(in )?[\d.]+ (s|ms|min|h|d)( \d+ \w+)?$/, "");
    write(element, element.tagName === "text" || /^in /.test(element.textContent) ? `${said}in ${text}` : text);
  }
  const table = document.querySelector("[data-now-x]");
  if (table) moveNow(table, now);
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Where a moment is drawn, in percent. Spans that are left out are narrow, however long. */
function place(pieces, moment) {
  for (const [from, to, left, right] of pieces) {
    if (moment <= to) return left + ((moment - from) / Math.max(to - from, 1)) * (right - left);
  }
  return pieces.at(-1)[3];
}

function moveNow(table, now) {
  const x = place(JSON.parse(table.dataset.pieces), now);
  const line = document.querySelector("#backdrop .moves");
  line?.setAttribute("x1", `${x}%`);
  line?.setAttribute("x2", `${x}%`);
  for (const mark of table.querySelectorAll(".moves")) mark.setAttribute("x", `${x + Number(mark.dataset.ahead ?? 0)}%`);
  const label = table.querySelector(".axis .moves");
  if (label) {
    label.dataset.at = now;
    label.dataset.utc = `now ${new Date(now).toISOString().slice(11, 19)}`;
    write(label, isLocal ? `now ${local(new Date(now), "second")}` : label.dataset.utc);
  }
  for (const bar of table.querySelectorAll(".grows")) {
    if (bar.tagName === "line") bar.setAttribute("x2", `${x}%`);
    else bar.setAttribute("width", `${Math.max(x - parseFloat(bar.getAttribute("x")), 0)}%`);
  }
}

// --- UTC or local

const DIGITS = {tenths: 1, hundredths: 2, thousandths: 3};
const two = (number) => String(number).padStart(2, "0");
let isLocal = false;

function startZone(button) {
  isLocal = localStorage.getItem("durakit-zone") === "local";
  button.hidden = false;
  button.addEventListener("click", () => {
    isLocal = !isLocal;
    localStorage.setItem("durakit-zone", isLocal ? "local" : "utc");
    button.textContent = isLocal ? "Local" : "UTC";
    writeTimes(document);
  });
  button.textContent = isLocal ? "Local" : "UTC";
  if (isLocal) writeTimes(document);
}

/** Write the times of a part of the page in the chosen zone; the server wrote UTC. */
export function writeTimes(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    element.dataset.utc ??= element.textContent;
    element.textContent = isLocal ? local(new Date(element.dateTime), element.dataset.form) : element.dataset.utc;
  }
  for (const element of root.querySelectorAll("text[data-at]")) {
    element.dataset.utc ??= element.textContent;
    const before = element.dataset.utc.startsWith("now ") ? "now " : "";
    element.textContent = isLocal ? before + local(new Date(Number(element.dataset.at)), element.dataset.form) : element.dataset.utc;
  }
}

/** Write again what was fetched, when local times are chosen. */
export function localize(root) { if (isLocal) writeTimes(root); }

function local(at, form) {
  const clock = `${two(at.getHours())}:${two(at.getMinutes())}`;
  const seconds = `${clock}:${two(at.getSeconds())}`;
  const day = at.toLocaleDateString("en-GB", {day: "numeric", month: "short"});
  if (form === "ms") return `${seconds}.${String(at.getMilliseconds()).padStart(3, "0")}`;
  if (form === "part" || form in DIGITS) {
    return seconds.slice(5) + (DIGITS[form] ? `.${String(at.getMilliseconds()).padStart(3, "0").slice(0, DIGITS[form])}` : "");
  }
  if (form === "minute") return clock;
  if (form === "day") return day;
  const isToday = at.toDateString() === new Date().toDateString();
  if (form === "date") return `${day} ${seconds}`;
  if (isToday || form === "second") return seconds;
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${clock}`;
}
