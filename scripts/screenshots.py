"""Take a picture of every page of the dashboard, in both themes and several widths, on a live scheduler.

`python3 scripts/screenshots.py FOLDER` with the environment that has durakit and Playwright; it needs
Chromium (`apt-get install chromium`). The pictures are there to be looked at by a person.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright
from stage import HUB, staged

PAGES = {
    "01-instances": f"/h/{HUB}/instances",
    "02-instances-unfolded": f"/h/{HUB}/instances?open=orders-2026-11-21&cols=tags,updated",
    "03-instances-nothing": f"/h/{HUB}/instances?name=nobody&tag=region%3Deu",
    "04-instances-unused": "/h/default/instances",
    "05-timeline-waiting": f"/h/{HUB}/i/po-1042?step=7",
    "06-timeline-5000": f"/h/{HUB}/i/photos-2026-11-21",
    "07-timeline-family": f"/h/{HUB}/i/orders-2026-11-21/timeline?kids=1",
    "08-history": f"/h/{HUB}/i/po-1042/history?e=2",
    "08-history-family": f"/h/{HUB}/i/orders-2026-11-21/history?kids=1",
    "09-sequence": f"/h/{HUB}/i/po-1042/sequence",
    "10-sequence-family": f"/h/{HUB}/i/batch-77/sequence?kids=1",
    "11-input-output": f"/h/{HUB}/i/po-1039/data",
    "11-input-output-family": f"/h/{HUB}/i/orders-2026-11-21/data?kids=1",
    "11-custom-status": f"/h/{HUB}/i/cleanup-tmp/data",
    "11-custom-status-none": f"/h/{HUB}/i/inv-eu-3/data",
    "12-failure": f"/h/{HUB}/i/charge-1041",
    "13-relations": f"/h/{HUB}/i/batch-77/relations",
    "14-suspended": f"/h/{HUB}/i/inv-eu-3",
    "15-retrying": f"/h/{HUB}/i/bank-1041",
    "16-workers": f"/h/{HUB}/workers",
    "17-hubs": "/hubs",
    "18-hub-reset": f"/hubs/{HUB}/reset",
    "19-start": f"/h/{HUB}/instances/start?from=po-1042",
    "20-raise": f"/h/{HUB}/i/po-1042/raise",
    "21-terminate": f"/h/{HUB}/i/orders-2026-11-21/terminate",
    "22-bulk": f"/h/{HUB}/instances/bulk?act=suspend&chosen=po-1042&chosen=inv-eu-3&chosen=po-1039",
    "23-help": "/help",
    "24-not-found": f"/h/{HUB}/i/po-1O42",
}
THEMES = ("light", "dark")
WIDTHS = (400, 1440)
#: Only lists use the whole of such a screen.
WIDE = 2000
_HEIGHT = 900
_FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")


def take(browser: Browser, url: str, folder: Path, names: Sequence[str]) -> int:
    """Take the pictures; return how many."""
    count = 0
    for theme in THEMES:
        for width in (*WIDTHS, WIDE):
            shown = [
                name
                for name in names
                if width != WIDE or name.startswith(("01", "05", "06", "08-history-family", "16"))
            ]
            page = browser.new_page(
                viewport={"width": width, "height": _HEIGHT},
                color_scheme="dark" if theme == "dark" else "light",
            )
            for name in shown:
                _open(page, url + PAGES[name])
                page.screenshot(path=folder / f"{name}-{theme}-{width}.png", full_page=True)
                count += 1
            page.close()
    return count


def take_moments(browser: Browser, url: str, folder: Path) -> None:
    """Take pictures of what only script shows: a selection, a dialog over a page."""
    for theme in THEMES:
        page = browser.new_page(
            viewport={"width": 1440, "height": _HEIGHT}, color_scheme="dark" if theme == "dark" else "light"
        )
        _open(page, f"{url}/h/{HUB}/instances")
        for row in (1, 3):
            page.locator("input[name=chosen]").nth(row).check()
        page.screenshot(path=folder / f"30-selection-{theme}-1440.png")
        _open(page, f"{url}/h/{HUB}/i/po-1042")
        page.locator(".why a[data-dialog], #act-raise").first.click()
        page.locator("dialog textarea").fill('{\n  "approved": true,\n  "by": "dana"\n}')
        page.screenshot(path=folder / f"31-dialog-raise-{theme}-1440.png")
        page.close()


def take_gone(page: Page, folder: Path) -> None:
    """Take the picture of a page whose scheduler went away."""
    page.locator("#gone").get_by_text("does not answer").wait_for(timeout=30_000)
    page.screenshot(path=folder / "32-scheduler-gone-light-1440.png")


def _open(page: Page, url: str) -> None:
    page.goto(url)
    page.wait_for_load_state("domcontentloaded")
    if page.locator("#live:not([hidden])").count():
        page.locator("#live[data-state=live]").wait_for()


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="screenshots.py", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("names", nargs="*", help=f"only these; there are: {', '.join(PAGES)}")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in PAGES]
    if unknown:
        parser.error(f"there is no page {', '.join(unknown)}")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        print("screenshots.py: chromium is not installed; apt-get install chromium.", file=sys.stderr)
        return 1
    options.folder.mkdir(parents=True, exist_ok=True)
    with staged() as stage, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(_FLAGS))
        count = take(browser, stage.url, options.folder, options.names or list(PAGES))
        if not options.names:
            take_moments(browser, stage.url, options.folder)
            page = browser.new_page(viewport={"width": 1440, "height": _HEIGHT})
            _open(page, f"{stage.url}/h/{HUB}/i/po-1042")
            stage.stop_scheduler()
            take_gone(page, options.folder)
            count += 5
        browser.close()
    print(f"{count} pictures in {options.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
