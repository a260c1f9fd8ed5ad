// The keyboard. One key never does anything inside a field; all of it can be switched off on the help page.

const OFF = "durakit-keys-off";

/** Listen to keys. */
export function startKeys({live}) {
  const isOff = () => localStorage.getItem(OFF) === "1";
  const toggle = document.getElementById("keys-toggle");
  if (toggle) {
    const tell = () => { toggle.textContent = isOff() ? "Switch on" : "Switch off"; };
    toggle.hidden = false;
    toggle.addEventListener("click", () => { localStorage.setItem(OFF, isOff() ? "0" : "1"); tell(); });
    tell();
  }
  startGoto();
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isOff()) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.target.closest?.("input:not([type=checkbox]), textarea, select, [contenteditable]")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (act(event, live)) event.preventDefault();
  });
}

function act(event, live) {
  switch (event.key) {
    case "/": return focus(".goto input");
    case "f": return focus("[data-search]");
    case "j": case "ArrowDown": return move(1, event);
    case "k": case "ArrowUp": return move(-1, event);
    case "x": case "X": return select(event.shiftKey);
    case "a": return click("#fold-all") || click(".row-focus .fold");
    case "n": return click("#act-start");
    case "e": return click(".why a[href*='/raise']") || click("#act-raise");
    case "[": return click("#page-newer") || click("a[rel=prev]");
    case "]": return click("#page-older") || click("a[rel=next]");
    case "r": return click("#newer");
    case ".": return live.toggle();
    case "u": return click("#up");
    case "+": case "=": return click("#zoom-in");
    case "-": case "−": return click("#zoom-out");
    case "0": return click("#zoom-fit");
    case "?": return go("/help");
    case "Escape": return escape();
    default: return /^[1-5]$/.test(event.key) && click(`.tabs [data-key="${event.key}"]`);
  }
}

function focus(selector) {
  const field = document.querySelector(selector);
  field?.focus();
  field?.select?.();
  return Boolean(field);
}

function click(selector) {
  const element = document.querySelector(selector);
  if (!element || element.closest("[hidden]")) return false;
  element.click();
  return true;
}

function go(path) {
  location.href = document.body.dataset.base + path;
  return true;
}

const links = () => [...document.querySelectorAll(".row-link, .timeline .step a, .history .c-number a, .family th a")];

function move(by, event) {
  const rows = links();
  // Arrows scroll the page until a row has the focus.
  const at = rows.indexOf(document.activeElement?.closest("tr")?.querySelector(".row-link, .step a, .c-number a, th a"));
  if (!rows.length || (at < 0 && event.key.startsWith("Arrow"))) return false;
  rows[Math.min(Math.max(at + by, 0), rows.length - 1)].focus();
  return true;
}

let lastSelected = null;

function select(isRange) {
  const box = document.activeElement?.closest("tr")?.querySelector("input[name=chosen]");
  if (!box) return false;
  if (isRange && lastSelected) box.dispatchEvent(new MouseEvent("click", {bubbles: true, shiftKey: true}));
  else box.click();
  lastSelected = box;
  return true;
}

function escape() {
  const menu = document.querySelector("details.menu[open]");
  if (menu) { menu.open = false; menu.querySelector("summary").focus(); return true; }
  return click("[data-close]");
}

// The exact id opens the instance, anything else narrows the list.
function startGoto() {
  const form = document.querySelector("[data-goto]");
  if (!form) return;
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });
}
