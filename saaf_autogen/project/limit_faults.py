"""Limits in agents' files that cannot be kept, or that saaf.yaml does not allow."""

from __future__ import annotations

from saaf_autogen.errors import Finding
from saaf_autogen.runs.usage import prices_of
from saaf_autogen.settings import Document, Settings
from saaf_autogen.teams.definition import AgentDefinition

__all__ = ["limit_faults"]


def limit_faults(
    document: Document, definition: AgentDefinition, settings: Settings
) -> list[Finding]:
    """The faults of one agent's limits; a run takes the least, so that more would be ignored."""
    runs, prices = settings.runs, prices_of(settings.models)
    most = {
        "timeout_s": ("runs.timeout_s", runs.timeout_s),
        "turns": ("runs.max_turns", runs.max_turns),
        "tokens": ("runs.budget.tokens", runs.budget.tokens),
        "usd": ("runs.budget.usd", runs.budget.usd),
        "tool_calls": ("runs.budget.tool_calls", runs.budget.tool_calls),
    }
    if runs.budget.turns is not None and runs.budget.turns < runs.max_turns:
        most["turns"] = ("runs.budget.turns", runs.budget.turns)
    findings = []
    for name, value in definition.limits.model_dump(exclude_none=True).items():
        setting, limit = most[name]
        if limit is not None and value > limit:
            message = f"limits.{name} is {value:g}, and {setting} of saaf.yaml allows {limit:g}"
            remedy = f"lower it, or raise {setting}"
            findings.append(document.finding(("saaf", "limits", name), message, remedy))
    unpriced = [name for name in definition.models() if prices.get(name) is None]
    if unpriced and (definition.limits.usd or runs.budget.usd):
        place = ("saaf", "limits", "usd") if definition.limits.usd else ("saaf",)
        message = f"its runs are limited in USD, and {', '.join(unpriced)} has no price"
        remedy = "add models.NAME.prices to saaf.yaml, or limit tokens"
        findings.append(document.finding(place, message, remedy))
    return findings
