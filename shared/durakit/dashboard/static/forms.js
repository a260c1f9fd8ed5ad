// Forms: what is wrong is told while typing, the command follows the fields, Ctrl+Enter sends, twice sends once.
import {copy} from "./copy.js";

const LONGEST_QUERY = 6000;

/** Make the forms of a part of the page help. */
export function startForms(root) {
  for (const area of root.querySelectorAll("textarea[data-json-check]")) startJsonCheck(area);
  for (const same of root.querySelectorAll("[data-same]")) startSame(same);
  for (const input of root.querySelectorAll("[data-confirm]")) startConfirm(input);
  for (const form of root.querySelectorAll("form[data-form]")) startSending(form);
}

function startSending(form) {
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); form.requestSubmit(); }
  });
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "1";
    setTimeout(() => delete form.dataset.sent, 4000);
  });
  const other = form.querySelector("[name=event_other]");
  const choice = form.querySelector("[name=event][value=other]");
  other?.addEventListener("focus", () => { choice.checked = true; });
}

function startConfirm(input) {
  const button = input.form.querySelector("button[type=submit]");
  const check = () => { button.disabled = input.value !== input.dataset.confirm; };
  input.addEventListener("input", check);
  check();
}

function startJsonCheck(area) {
  const said = area.form.querySelector(`[data-json-said="${area.id}"]`);
  const check = () => {
    const text = area.value;
    if (!text.trim()) { said.textContent = "Empty: nothing is sent with it."; area.removeAttribute("aria-invalid"); return; }
    const bytes = new TextEncoder().encode(text).length;
    const problem = wrongWith(text);
    said.textContent = problem ?? `${bytes.toLocaleString("en")} ${bytes === 1 ? "byte" : "bytes"}, valid JSON`;
    if (problem) area.setAttribute("aria-invalid", "true");
    else area.removeAttribute("aria-invalid");
  };
  area.addEventListener("input", check);
  if (!area.hasAttribute("aria-invalid")) check();
}

/** Return what is wrong with a JSON text, with its line; null when nothing is. */
export function wrongWith(text) {
  try {
    JSON.parse(text);
    return null;
  } catch (error) {
    const place = /position (\d+)/.exec(error.message);
    const at = place ? Number(place[1]) : text.length;
    const line = text.slice(0, at).split("\n").length;
    return `Line ${line}: ${cause(text, at)}`;
  }
}

function cause(text, at) {
  const rest = text.slice(at).trimStart();
  if (!rest) return "the text ends too early; a quote or bracket is not closed.";
  const before = text.slice(0, at).trimEnd().at(-1);
  if (before === ",") return "after a comma another value must follow.";
  if (rest.startsWith("'")) return "strings stand in double quotes.";
  if (before && /["\d\]}el]/.test(before) && /^["[{\w]/.test(rest)) return `a comma is missing before ${rest.slice(0, 16).split("\n")[0]}`;
  return `${rest.slice(0, 16).split("\n")[0]} is not expected here.`;
}

function startSame(same) {
  const pres = [...same.querySelectorAll("pre[data-kind]")];
  const buttons = [...same.querySelectorAll("[data-show]")];
  const show = (kind) => {
    for (const pre of pres) pre.hidden = pre.dataset.kind !== kind;
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.show === kind));
    localStorage.setItem("durakit-same", kind);
  };
  for (const button of buttons) button.addEventListener("click", () => show(button.dataset.show));
  same.querySelector(".switch").hidden = false;
  const copier = same.querySelector("[data-copy-shown]");
  copier.hidden = false;
  copier.addEventListener("click", () => copy(copier, pres.find((pre) => !pre.hidden).textContent));
  const last = localStorage.getItem("durakit-same");
  show(pres.some((pre) => pre.dataset.kind === last) ? last : "cli");
  const form = same.closest("form");
  if (form) follow(form, pres);
}

// The server writes the commands; it is asked again when the fields rest.
function follow(form, pres) {
  let timer;
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      // Asked with GET, so nothing can happen by it.
      const query = new URLSearchParams(new FormData(form));
      const mine = timer;
      query.delete("nonce");
      if (String(query).length > LONGEST_QUERY) return;
      try {
        const answer = await fetch(`${form.action}?${query}`, {headers: {Accept: "application/json"}});
        const told = answer.headers.get("content-type")?.includes("json") ? await answer.json() : {};
        if (mine !== timer) return;  // A newer question is under way.
        for (const pre of pres) if (told.same?.[pre.dataset.kind]) pre.textContent = told.same[pre.dataset.kind];
      } catch { /* The page says already when the scheduler is gone. */ }
    }, 250);
  });
}
