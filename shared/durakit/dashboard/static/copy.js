// Buttons that copy a text.

/** Show the copy buttons of a part of the page; without script they stay hidden. */
export function startCopying(root) {
  for (const button of root.querySelectorAll("button[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button, button.dataset.copy));
  }
}

/** Copy a text, and say so on the button for two seconds. */
export async function copy(button, text) {
  const label = button.dataset.label ??= button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = copyTheOldWay(text) ? "Copied" : "Not allowed here";
  }
  setTimeout(() => { button.textContent = label; }, 2000);
}

// Pages that are not served over TLS or from this machine have no clipboard object.
function copyTheOldWay(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "unseen";
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}
