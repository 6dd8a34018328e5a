from __future__ import annotations

import pytest

from saaf_autogen.auth.scopes import IMPLIED, SCOPES, Scope, ScopeRegistry, expand, is_scope
from saaf_autogen.errors import ConfigurationError


def test_every_static_scope_follows_the_grammar_and_is_described() -> None:
    assert len({scope.name for scope in SCOPES}) == len(SCOPES) < 60
    for scope in SCOPES:
        assert is_scope(scope.name)
        assert scope.description.endswith(".")


def test_implications_speak_of_known_scopes() -> None:
    known = {scope.name for scope in SCOPES}
    assert known.issuperset(IMPLIED)
    assert known.issuperset(name for names in IMPLIED.values() for name in names)
    assert expand(["semantic:edit", "x:y"]) == {"semantic:edit", "semantic:read", "x:y"}


@pytest.mark.parametrize("name", ["*", "a:*", "a", "a:", ":b", "a.b.c:d", "A:b", "a b:c", "a:b\n"])
def test_there_are_no_wildcards_and_no_other_forms(name: str) -> None:
    assert not is_scope(name)


def test_a_pack_declares_scopes_of_its_own() -> None:
    registry = ScopeRegistry([Scope("tools.slack:send", "Send messages.")])
    registry.declare(Scope("tools.slack:send", "Send messages."))
    assert "tools.slack:send" in registry
    assert registry.descriptions()["tools.slack:send"] == "Send messages."
    assert registry.unknown(["tools.slack:send", "z:z", "a:a", "z:z"]) == ("a:a", "z:z")
    assert "tools.slack:send" not in ScopeRegistry()


@pytest.mark.parametrize(
    "scope",
    [
        Scope("slack:send", "Outside of tools."),
        Scope("warehouse:query", "Not a pack's."),
        Scope("tools.slack:*", "A wildcard."),
        Scope("tools.slack:send", " "),
        Scope("tools.slack:read", "Said otherwise before."),
    ],
)
def test_a_pack_cannot_declare_what_is_not_its_own(scope: Scope) -> None:
    registry = ScopeRegistry([Scope("tools.slack:read", "Read messages.")])
    with pytest.raises(ConfigurationError):
        registry.declare(scope)
