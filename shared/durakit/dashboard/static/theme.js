// The theme: system, light or dark. A cookie, so that the server sets it before the first paint.
const THEMES = ["", "light", "dark"];
const WORDS = {"": "system", light: "light", dark: "dark"};

/** Let the button go through the themes. */
export function startTheme() {
  const button = document.getElementById("theme");
  if (!button) return;
  const root = document.documentElement;
  const name = () => root.dataset.theme ?? "";
  const tell = () => { button.title = `Theme: ${WORDS[name()]}`; button.setAttribute("aria-label", button.title); };
  button.hidden = false;
  tell();
  button.addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(name()) + 1) % THEMES.length];
    if (next) root.dataset.theme = next;
    else delete root.dataset.theme;
    const base = document.body.dataset.base || "/";
    document.cookie = `durakit-theme=${next}; path=${base}; max-age=${next ? 31536000 : 0}; samesite=strict`;
    tell();
  });
}
