"""A person at a browser, who does what the host's pages ask until they are back at the client."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Page

__all__ = ["Person"]


@dataclass
class Person:
    """Visits where a client sends them.

    Attributes:
        page: their browser.
        name, password: with which they sign in at the host.
        home: how the client's own addresses begin; there a visit ends.
        decision: the button that they press on the consent page.
        steps: what they were asked so far.
    """

    page: Page
    name: str
    password: str
    home: str
    decision: str = "Allow"
    steps: list[str] = field(default_factory=list)

    def visit(self, said: dict[str, Any]) -> str:
        """Go where the client says; where that ended."""
        self.page.goto(said["open"])
        while not self.page.url.startswith(self.home):
            if self.page.get_by_role("heading", name="connected").count():
                break
            self._answer()
            self.page.wait_for_load_state()
        return self.page.url

    def _answer(self) -> None:
        if self.page.get_by_label("Password", exact=True).count():
            self.steps.append("sign in")
            self.page.get_by_label("User name").fill(self.name)
            self.page.get_by_label("Password", exact=True).fill(self.password)
            self._press("Sign in")
        elif self._offers(self.decision):
            self.steps.append(self.decision.lower())
            self._press(self.decision)
        elif self._offers("Go on"):
            self.steps.append("go on")
            self._press("Go on")
        elif self._offers("Sign out"):
            self.steps.append("sign out")
            self._press("Sign out")
        else:
            raise AssertionError(self.page.content())

    def _offers(self, button: str) -> bool:
        return self.page.get_by_role("button", name=button, exact=True).count() > 0

    def _press(self, button: str) -> None:
        self.page.get_by_role("button", name=button, exact=True).click()
