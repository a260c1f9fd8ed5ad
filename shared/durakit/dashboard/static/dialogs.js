// The same forms, in place: a link to a form opens it in a dialog; its answer replaces it, or leads on.

/** Open links marked `data-dialog` in a dialog; `enliven` makes what was fetched work. */
export function startDialogs(enliven) {
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-dialog]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    open(link, enliven);
  });
}

async function open(link, enliven) {
  const form = await formAt(link.href);
  if (!form) { location.href = link.href; return; }
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-label", form.querySelector("h1")?.textContent.trim() ?? "Form");
  document.body.append(dialog);
  link.closest("details.menu")?.removeAttribute("open");
  dialog.addEventListener("close", () => { dialog.remove(); document.getElementById(link.id)?.focus() ?? link.focus(); });
  dialog.addEventListener("click", (event) => {
    const inside = event.target.closest?.("a");
    if (event.target === dialog || inside?.hasAttribute("data-cancel")) { event.preventDefault(); dialog.close(); }
  });
  fill(dialog, form, enliven);
  dialog.showModal();
  (dialog.querySelector("[autofocus]") ?? dialog.querySelector("input:not([type=hidden]), textarea, button"))?.focus();
}

function fill(dialog, form, enliven) {
  dialog.replaceChildren(document.importNode(form, true));
  // One page has one first heading; in a dialog it is its second.
  const heading = document.createElement("h2");
  const title = dialog.querySelector("h1");
  heading.textContent = title.textContent;
  title.replaceWith(heading);
  const close = document.createElement("button");
  close.type = "button";
  close.className = "plain";
  close.innerHTML = "Close <kbd>Esc</kbd>";
  close.addEventListener("click", () => dialog.close());
  const space = document.createElement("span");
  space.className = "grow";
  heading.parentElement.append(space, close);
  enliven(dialog);
  dialog.querySelector("form")?.addEventListener("submit", (event) => {
    if (event.defaultPrevented) return;
    event.preventDefault();
    send(event.target, event.submitter, dialog, enliven);
  });
}

async function send(form, submitter, dialog, enliven) {
  const data = new FormData(form, submitter);
  let answer;
  try {
    answer = await fetch(form.action, {method: "POST", body: new URLSearchParams(data)});
  } catch {
    complain(form, "The scheduler does not answer. Nothing is known to have been changed; try again when it is back.");
    return;
  }
  if (answer.redirected) { location.href = answer.url; return; }
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const next = page.querySelector("form[data-form]");
  if (next) { fill(dialog, next, enliven); dialog.querySelector("[aria-invalid], .wrong")?.focus(); return; }
  complain(form, page.querySelector("main p")?.textContent ?? `The answer was ${answer.status}.`);
}

function complain(form, text) {
  let said = form.querySelector("[data-complaint]");
  if (!said) {
    said = document.createElement("p");
    said.className = "notice";
    said.dataset.complaint = "";
    said.setAttribute("role", "alert");
    form.querySelector(".fields").prepend(said);
  }
  said.textContent = text;
  delete form.dataset.sent;
}

async function formAt(address) {
  try {
    const answer = await fetch(address);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    return page.querySelector("form[data-form]");
  } catch {
    return null;
  }
}
