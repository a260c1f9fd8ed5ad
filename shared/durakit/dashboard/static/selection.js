// Rows that are selected, and the bar that acts on them. Without script the bar is always there.

/** Show the bar only with a selection, count it, and select ranges with Shift. */
export function startSelection() {
  const bar = document.getElementById("bulk");
  const table = document.querySelector("table.instances");
  if (!bar || !table) return;
  const all = document.getElementById("pick-all");
  const matching = document.getElementById("all-match");
  const boxes = () => [...table.querySelectorAll("input[name=chosen]")];
  let last = null;

  const tell = () => {
    const chosen = boxes().filter((box) => box.checked).length;
    bar.hidden = !chosen && !matching.checked;
    document.getElementById("chosen").textContent = matching.checked ? "All that match" : `${chosen} selected`;
    all.checked = chosen > 0 && chosen === boxes().length;
    all.indeterminate = chosen > 0 && !all.checked;
  };
  table.addEventListener("click", (event) => {
    const box = event.target.closest?.("input[name=chosen]");
    if (!box) return;
    if (event.shiftKey && last) range(boxes(), last, box);
    last = box;
    tell();
  });
  table.addEventListener("change", tell);
  all.hidden = false;
  all.addEventListener("change", () => { for (const box of boxes()) box.checked = all.checked; tell(); });
  matching.addEventListener("change", tell);
  addEventListener("pageshow", tell);
  tell();
}

function range(boxes, from, to) {
  const [a, b] = [boxes.indexOf(from), boxes.indexOf(to)].sort((x, y) => x - y);
  for (const box of boxes.slice(a, b + 1)) box.checked = to.checked;
}
