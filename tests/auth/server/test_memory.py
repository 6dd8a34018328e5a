"""Token requests that need no store, and that they are refused as soon as others are."""

from __future__ import annotations

import base64

import pytest
from sqlalchemy import event

from saaf_autogen.auth.server import Answer, FormRequest
from tests.auth.server.flows import Flows

FORM = "application/x-www-form-urlencoded"


def ask(flows: Flows, body: str = "grant_type=client_credentials", **more: object) -> Answer | None:
    secret = more.pop("secret", flows.site.secret("machine"))
    basic = "Basic " + base64.b64encode(f"machine:{secret}".encode()).decode()
    given = {"content_type": FORM, "authorization": (basic,), "query": "", **more}
    return flows.site.identity.issuer.token_from_memory(FormRequest(body=body.encode(), **given))  # type: ignore[arg-type]  # what a test gives is right


def test_a_known_client_gets_its_token_without_the_store(flows: Flows) -> None:
    flows.site.token("machine")
    statements: list[str] = []
    engine = flows.site.project.database.engine
    told = lambda *given: statements.append(given[2])  # noqa: E731 - to be removed again
    event.listen(engine, "before_cursor_execute", told)
    try:
        answer = ask(flows)
    finally:
        event.remove(engine, "before_cursor_execute", told)
    assert answer is not None
    assert answer.status == 200
    assert flows.active(answer.body["access_token"])
    # The watch and the audit may have looked in the meantime.
    assert not [each for each in statements if "FROM clients" in each]


@pytest.mark.parametrize(
    "more",
    [
        {"secret": "wrong"},
        {"authorization": ()},
        {"authorization": ("Basic !",)},
        {"dpop": ("x",)},
        {"query": "x=1"},
        {"content_type": "application/json"},
        {"body": "grant_type=refresh_token"},
        {"body": ""},
    ],
)
def test_everything_else_goes_the_long_way(flows: Flows, more: dict[str, str]) -> None:
    flows.site.token("machine")
    assert ask(flows, **more) is None


def test_a_client_that_ended_is_not_answered_from_memory(flows: Flows) -> None:
    flows.site.token("machine")
    clients = flows.site.identity.clients
    clients.disable("machine")
    assert ask(flows) is None
    clients.enable("machine")
    assert ask(flows) is None
    flows.site.token("machine")
    assert ask(flows) is not None
    flows.site.clock.advance(61)
    assert ask(flows) is None
