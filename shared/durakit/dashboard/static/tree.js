// A JSON text as a tree that folds. Made from the text itself, so numbers keep every digit.

const TOKEN = /\s*(?:([{}[\],:])|("(?:[^"\\]|\\.)*")|(-?\d[\d.eE+-]*|true|false|null))/y;
const MOST_TOKENS = 20000;

/** Offer a tree beside each JSON payload of a part of the page. */
export function plantTrees(root) {
  for (const pre of root.querySelectorAll("pre[data-json]:not([data-planted])")) {
    pre.dataset.planted = "";
    const holder = pre.closest(".payload");
    const buttons = holder?.querySelector("[data-tree-switch]");
    const parsed = parse(pre.textContent);
    if (!buttons || !parsed || parsed.kind === "leaf") continue;
    const text = pre.textContent;
    const show = (view) => {
      pre.classList.toggle("tree", view === "tree");
      if (view === "tree") pre.replaceChildren(grow(parsed, 0, ""));
      else pre.textContent = text;
      for (const button of buttons.children) button.setAttribute("aria-pressed", String(button.dataset.view === view));
    };
    buttons.hidden = false;
    for (const button of buttons.children) button.addEventListener("click", () => show(button.dataset.view));
    show("tree");
  }
}

/** Return the value as {kind, text | items: [{key, value}]}, texts as they were written; null when it is not JSON. */
export function parse(text) {
  const tokens = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.trimEnd().length) {
    const found = TOKEN.exec(text);
    if (!found || tokens.length > MOST_TOKENS) return null;
    tokens.push(found[1] ?? found[2] ?? found[3]);
  }
  let at = 0;
  const value = () => {
    const token = tokens[at++];
    if (token !== "{" && token !== "[") return {kind: "leaf", text: token};
    const close = token === "{" ? "}" : "]";
    const items = [];
    while (at < tokens.length && tokens[at] !== close) {
      let key = null;
      if (token === "{") { key = tokens[at]; at += 2; }
      items.push({key, value: value()});
      if (tokens[at] === ",") at += 1;
    }
    at += 1;
    return {kind: token, close, items};
  };
  const made = value();
  return at === tokens.length ? made : null;
}

// The comma behind a value belongs to its last line.
function grow(value, depth, comma) {
  if (value.kind === "leaf") return document.createTextNode(value.text + comma);
  if (!value.items.length) return span("brace", value.kind + value.close + comma);
  const details = document.createElement("details");
  details.open = depth < 2 && value.items.length <= 100;
  const summary = document.createElement("summary");
  const hint = span("hint", ` ${value.items.length} ${value.items.length === 1 ? "item" : "items"} ${value.close}${comma}`);
  summary.append(span("brace", value.kind), hint);
  const inside = document.createElement("div");
  for (const [index, item] of value.items.entries()) {
    const line = document.createElement("span");
    line.className = "item";
    if (item.key !== null) line.append(span("key", item.key), ": ");
    line.append(grow(item.value, depth + 1, index < value.items.length - 1 ? "," : ""));
    inside.append(line);
  }
  details.append(summary, inside, span("brace", value.close + comma));
  return details;
}

function span(name, text) {
  const made = document.createElement("span");
  made.className = name;
  made.textContent = text;
  return made;
}
