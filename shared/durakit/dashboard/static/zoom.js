// A range chosen by dragging over the timeline or the histogram becomes `from` and `to` of the address.
const LEAST_PX = 6;

/** Let drags choose ranges, and Ctrl+wheel zoom. */
export function startZoom() {
  document.addEventListener("pointerdown", begin);
  document.addEventListener("wheel", wheel, {passive: false});
}

function surface(target) {
  const svg = target.closest?.("svg.lane, svg[data-range]");
  const holder = svg?.closest("[data-pieces]");
  return holder ? {svg, pieces: JSON.parse(holder.dataset.pieces)} : null;
}

function begin(event) {
  const found = event.button ? null : surface(event.target);
  if (!found || event.pointerType === "touch") return;
  const {svg, pieces} = found;
  const box = svg.getBoundingClientRect();
  const start = event.clientX;
  let brush = null;
  const move = (moved) => {
    if (!brush && Math.abs(moved.clientX - start) < LEAST_PX) return;
    brush ??= svg.appendChild(rectangle());
    const [a, b] = edges(box, start, moved.clientX);
    brush.setAttribute("x", `${a}%`);
    brush.setAttribute("width", `${b - a}%`);
    getSelection()?.removeAllRanges();
  };
  const end = (ended) => {
    document.removeEventListener("pointermove", move);
    document.removeEventListener("pointerup", end);
    document.removeEventListener("keydown", stop);
    if (!brush) return;
    brush.remove();
    if (ended.type === "keydown") return;
    // The click that ends a drag over a link is no click.
    const swallow = (click) => { click.preventDefault(); click.stopPropagation(); };
    addEventListener("click", swallow, {capture: true});
    setTimeout(() => removeEventListener("click", swallow, {capture: true}));
    const [a, b] = edges(box, start, ended.clientX);
    go(at(pieces, a), at(pieces, b));
  };
  const stop = (key) => { if (key.key === "Escape") end(key); };
  document.addEventListener("pointermove", move);
  document.addEventListener("pointerup", end);
  document.addEventListener("keydown", stop);
}

function wheel(event) {
  if (!event.ctrlKey || !event.target.closest?.("svg.lane")) return;
  event.preventDefault();
  document.getElementById(event.deltaY < 0 ? "zoom-in" : "zoom-out")?.click();
}

function rectangle() {
  const made = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  made.setAttribute("class", "brush");
  made.setAttribute("height", "100%");
  return made;
}

function edges(box, a, b) {
  const percent = (x) => Math.min(Math.max(((x - box.left) / box.width) * 100, 0), 100);
  return [percent(a), percent(b)].sort((x, y) => x - y);
}

function at(pieces, x) {
  for (const [from, to, left, right] of pieces) {
    if (x <= right) return from + ((x - left) / Math.max(right - left, 0.001)) * (to - from);
  }
  return pieces.at(-1)[1];
}

function go(from, to) {
  const address = new URL(location.href);
  address.searchParams.set("from", new Date(from).toISOString());
  address.searchParams.set("to", new Date(to).toISOString());
  for (const cursor of ["after", "before"]) address.searchParams.delete(cursor);
  address.hash = "";
  location.href = address.href;
}
