from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from saaf_autogen.auth.scopes import ScopeRegistry
from saaf_autogen.auth.tokens.mapping import ClaimMap, merged
from saaf_autogen.errors import Forbidden
from saaf_autogen.settings import ClaimSettings
from saaf_autogen.settings.paths import claim_path


def mapping(**settings: Any) -> ClaimMap:
    return ClaimMap(ClaimSettings(**settings), tenant="home", tenants=["europe", "asia"])


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("groups", ("groups",)),
        ("realm_access.roles", ("realm_access", "roles")),
        ('"https://acme.com/groups"', ("https://acme.com/groups",)),
        ('resource_access."my.app".roles', ("resource_access", "my.app", "roles")),
    ],
)
def test_a_path_names_members_and_quotes_those_with_dots(text: str, names: tuple[str]) -> None:
    assert claim_path(text) == names


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", '"a', 'a"b"', '""', "a b"])
def test_what_is_no_path_is_refused_when_settings_are_read(text: str) -> None:
    for settings in ({"groups": [text]}, {"tenant": text}, {"attributes": {"region": text}}):
        with pytest.raises(ValidationError, match="no path of claims"):
            ClaimSettings.model_validate(settings)


def test_all_groups_of_all_paths_are_joined() -> None:
    found = mapping(groups=["groups", "realm_access.roles"]).groups(
        {"groups": ["a"], "realm_access": {"roles": ["b", "a"]}}
    )
    assert found == {"a", "b"}


def test_groups_with_names_here_drop_all_others() -> None:
    names = {"0001": "analysts"}
    found = mapping(groups=["groups"], group_names=names).groups({"groups": ["0001", "analysts"]})
    assert found == {"analysts"}
    assert mapping(groups=["groups"], group_names=names).groups({"groups": ["analysts"]}) == set()


@pytest.mark.parametrize("value", [None, 7, {"a": 1}, [7, None, ["x"]], "", ["a\n"], True])
def test_groups_of_another_type_are_none(value: object) -> None:
    assert mapping(groups=["groups", "a.b.c"]).groups({"groups": value, "a": "x"}) == frozenset()


def test_scopes_come_as_text_or_as_a_list_and_unknown_ones_are_dropped() -> None:
    known = ScopeRegistry()
    claims = {"scope": "openid warehouse:query  x", "scp": ["semantic:read", 7, "*"]}
    found = mapping(scopes=["scope", "scp"]).scopes(claims, known)
    assert found == {"warehouse:query", "semantic:read"}


def test_scopes_with_names_here_drop_all_others() -> None:
    names = {"Analyst": ["warehouse:query", "semantic:read"]}
    found = mapping(scopes=["roles"], scope_names=names).scopes(
        {"roles": ["Analyst", "iam:admin"]}, ScopeRegistry()
    )
    assert found == {"warehouse:query", "semantic:read"}


def test_attributes_of_another_type_are_left_out_and_so_give_no_rows() -> None:
    paths = {name: name for name in ("text", "number", "flag", "many", "mixed", "none", "deep")}
    claims = {
        "text": "EU",
        "number": 7,
        "flag": False,
        "many": ["a", "b"],
        "mixed": ["a", 7],
        "none": None,
        "deep": {"a": 1},
    }
    found = mapping(attributes=paths).attributes(claims)
    assert found == {"text": "EU", "number": 7, "flag": False, "many": ("a", "b")}


def test_without_a_path_everyone_is_of_the_issuers_tenant() -> None:
    assert mapping().tenant({"tenant": "europe"}) == "home"


@pytest.mark.parametrize("value", ["africa", "home", "default", None, 7, ["europe"], "", "EUROPE"])
def test_an_unknown_tenant_is_refused(value: object) -> None:
    with pytest.raises(Forbidden, match="names no tenant"):
        mapping(tenant="org").tenant({"org": value})


def test_a_tenant_may_have_another_name_there() -> None:
    found = mapping(tenant="org", tenant_names={"org_1": "asia"})
    assert found.tenant({"org": "org_1"}) == "asia"
    for value in ("asia", "org_2"):
        with pytest.raises(Forbidden):
            found.tenant({"org": value})


def test_what_the_issuer_keeps_elsewhere_is_denied() -> None:
    claims = {"_claim_names": {"groups": "src1", "region": "src1", "roles": "src1"}}
    with pytest.raises(Forbidden):
        mapping(groups=["groups"]).groups(claims)
    with pytest.raises(Forbidden):
        mapping(attributes={"region": "region"}).attributes(claims)
    with pytest.raises(Forbidden):
        mapping(scopes=["roles"]).scopes(claims, ScopeRegistry())
    assert mapping().groups(claims) == frozenset()


def test_what_a_deployment_says_wins_over_the_preset_even_if_it_is_nothing() -> None:
    preset = ClaimSettings(groups=["groups"], scopes=["scp"])
    found = merged(ClaimSettings(groups=[], attributes={"a": "b"}), preset)
    assert (found.groups, found.scopes, found.attributes) == ([], ["scp"], {"a": "b"})


def test_who_is_in_very_many_groups_does_not_lose_the_one_that_a_rule_denies() -> None:
    many = [f"a{number}" for number in range(500)]
    assert len(mapping(groups=["groups"]).groups({"groups": many})) == 500
    for claims in ({"groups": [*many, "banned"]}, {"groups": many, "roles": ["banned"]}):
        with pytest.raises(Forbidden, match="more than 500"):
            mapping(groups=["groups", "roles"]).groups(claims)
