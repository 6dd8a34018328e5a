"""What scopes and browsers are called on pages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from saaf_autogen.api.pages.text import clip
from saaf_autogen.auth.scopes import IDENTITY_SCOPES, ScopeRegistry

__all__ = ["ScopeWords", "browser_words", "scope_words"]

_BROWSERS = (("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"))
_SYSTEMS = ("Android", "iPhone", "iPad", "Windows", "Macintosh", "CrOS", "Linux")
_SYSTEM_NAMES = {"Macintosh": "Mac", "CrOS": "ChromeOS"}


@dataclass(frozen=True)
class ScopeWords:
    """A scope and what it lets its holder do."""

    name: str
    words: str


def scope_words(names: Iterable[str], registry: ScopeRegistry) -> list[ScopeWords]:
    """Scopes in words: those of identity first, then as the host lists them."""
    wanted = set(names)
    known = [*IDENTITY_SCOPES, *registry]
    return [
        ScopeWords(scope.name, scope.description.rstrip(".") + ".")
        for scope in {scope.name: scope for scope in known}.values()
        if scope.name in wanted
    ]


def browser_words(user_agent: str) -> str:
    """A browser's own description in a few words: ``Firefox on Linux``."""
    browser = next((name for mark, name in _BROWSERS if f"{mark}/" in user_agent), "")
    if not browser and "Safari/" in user_agent:
        browser = "Safari"
    if not browser:
        return clip(user_agent, 40) or "A browser"
    system = next((name for name in _SYSTEMS if name in user_agent), "")
    return f"{browser} on {_SYSTEM_NAMES.get(system, system)}" if system else browser
