"""A real Chromium, and a page of it that tells of everything that went wrong in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests.browser.visitors import LoopbackClient, loopback_client

_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def chromium_path() -> str:
    """Where Chromium is; without one the test is skipped, but on CI it fails."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    found = found or shutil.which("google-chrome")
    if found:
        return found
    if os.environ.get("CI"):
        pytest.fail("There is no Chromium, and on CI there has to be one.")
    pytest.skip("There is no Chromium on this machine.")


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium. Its driver keeps an event loop in this thread, so that it ends with this folder:
    asynchronous tests of others could not run beside it."""
    path = chromium_path()
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        yield running
        running.close()


def _is_fault(line: ConsoleMessage) -> bool:
    # A page that tells of a refusal has a status that says so, which Chromium calls an error.
    return line.type == "error" and "the server responded with a status of 4" not in line.text


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page in a browser profile of its own; an error in its console fails the test."""
    context = browser.new_context(viewport={"width": 1000, "height": 900})
    context.set_default_timeout(10_000)
    shown = context.new_page()
    errors: list[str] = []
    shown.on("console", lambda line: errors.append(line.text) if _is_fault(line) else None)
    shown.on("pageerror", lambda error: errors.append(str(error)))
    yield shown
    context.close()
    assert not errors


@pytest.fixture(scope="package")
def client() -> Iterator[LoopbackClient]:
    """A client that waits for answers on loopback."""
    with loopback_client() as running:
        yield running
