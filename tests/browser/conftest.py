"""A real browser on a live scheduler; pages that a test opens must keep their policy and a clean console."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright
from stage import Stage, staged

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
NPM = shutil.which("npm")
#: Fewer than in the screenshots; still more than are shown one by one.
FILES = 60
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
)
#: What a stopped scheduler makes every browser say.
UNREACHABLE = (
    "net::ERR_CONNECTION_REFUSED",
    "net::ERR_INCOMPLETE_CHUNKED_ENCODING",
    "net::ERR_EMPTY_RESPONSE",
)

#: What waits for something ends when it is there; a machine that does much else may take its time.
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)

Open = Callable[..., Page]


def arriving(page: Page, address: str = "") -> AbstractContextManager[object]:
    """What leads to another document, or to the same one anew, is done in this block.

    It ends when that document listens. What the server wrote is to be seen before: a key pressed then is
    lost, and a field filled then may still belong to the old document. Modules run before `load`.

    Args:
        address: a regular expression that the address of the document matches.
    """
    return page.expect_navigation(url=re.compile(address))


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    """A scheduler with instances in every state, and a worker."""
    with staged(files=FILES) as made:
        yield made


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's chromium."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


def _from_npm(package: str, member: str, folder: Path) -> str:
    """Return a file of a package of the npm registry, without what the package depends on."""
    if NPM is None:
        pytest.skip("npm is not installed")
    quiet = {**os.environ, "npm_config_update_notifier": "false"}
    command = [NPM, "pack", "--silent", "--pack-destination", str(folder), package]
    subprocess.run(command, check=True, timeout=120, env=quiet, stdout=subprocess.DEVNULL)
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as packed:
        found = packed.extractfile(f"package/{member}")
        assert found is not None
        return found.read().decode()


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core."""
    return _from_npm("axe-core@4.10.3", "axe.min.js", tmp_path_factory.mktemp("axe"))


@pytest.fixture(scope="session")
def mermaid(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of Mermaid."""
    return _from_npm("mermaid@11.12.0", "dist/mermaid.min.js", tmp_path_factory.mktemp("mermaid"))


class Watched:
    """Contexts whose pages are watched for errors."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self.errors: list[str] = []
        self.expected: tuple[str, ...] = ()

    def open(self, url: str, **options: Any) -> Page:
        """Return a new page at `url`; options are those of a browser context."""
        options.setdefault("viewport", {"width": 1440, "height": 900})
        context = self._browser.new_context(**options)
        context.set_default_timeout(PATIENCE_MS)
        self._contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._note)
        page.goto(url)
        return page

    def _note(self, said: ConsoleMessage) -> None:
        is_known = any(known in said.text for known in self.expected)
        if said.type in ("error", "warning") and not is_known:
            self.errors.append(said.text)

    def close(self) -> None:
        """Close all pages."""
        for context in self._contexts:
            context.close()


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    """Opens pages; fails when one of them had an error or broke its policy."""
    watched = Watched(browser)
    yield watched
    watched.close()
    assert watched.errors == []


@pytest.fixture
def open_page(stage: Stage, watched: Watched) -> Open:
    """Opens a path of the hub, or of the dashboard when it begins with `//`."""

    def open_page(path: str, **options: Any) -> Page:
        base = stage.url if path.startswith("//") else f"{stage.url}/h/human_interaction"
        return watched.open(base + path.removeprefix("/" if path.startswith("//") else ""), **options)

    return open_page
