from __future__ import annotations

from pathlib import Path

import pytest

from saaf_autogen.project.deployment import check_deployment


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("groups:\n- id: a\n  scopes: [moon:land]", 5, "there is no scope moon:land"),
        ("oauth:\n  registration_scopes: [moon:land]", 4, "there is no scope moon:land"),
        (
            "oauth:\n  client_documents: ['https://a.com/b']",
            4,
            "'https://a.com/b' is no name of a host",
        ),
        ("oauth:\n  registration_scopes: ['iam:admin']", 4, "cannot administrate: drop iam:admin"),
        ("oauth:\n  client_documents: ['*.a.com']", 4, "'*.a.com' is no name of a host"),
        (
            "clients:\n- id: a\n  authentication: private_key_jwt\n"
            "  jwks: {keys: [{kty: oct, k: c2VjcmV0}]}",
            6,
            "It holds a private or symmetric key",
        ),
        ("groups:\n- id: a\n  tenant: nowhere", 5, "there is no tenant nowhere"),
        ("clients:\n- id: a\n  tenant: nowhere", 5, "there is no tenant nowhere"),
        ("groups:\n- id: a\n- id: a", 5, "groups: a is declared more than once"),
        (
            "issuers:\n- issuer: https://a.com\n  audience: x\n  tenants: [default, nowhere]",
            6,
            "there is no tenant nowhere",
        ),
        (
            "sign_in:\n  providers:\n  - {id: a, title: A, issuer: 'https://a.com', client_id: x}\n"
            "  - {id: a, title: B, issuer: 'https://a.com', client_id: x}",
            6,
            "providers: a is declared more than once",
        ),
    ],
)
def test_names_that_mean_nothing_or_are_taken_twice_are_found_at_their_line(
    tmp_path: Path, text: str, line: int, words: str
) -> None:
    (tmp_path / "saaf.yaml").write_text(f"version: 1\nname: acme\n{text}\n")
    (found,) = [each for each in check_deployment(tmp_path) if words in each.message]
    assert found.line == line
    assert found.remedy


def test_one_id_of_a_group_in_two_tenants_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "saaf.yaml").write_text(
        "version: 1\ntenants: [default, other]\ngroups: [{id: a}, {id: a, tenant: other}]\n"
    )
    assert check_deployment(tmp_path) == []
