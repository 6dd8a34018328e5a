"""The grants and deny rules of ``saaf.yaml``, and what managed ones may name."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from saaf_autogen.auth.access import TableFacts
from saaf_autogen.auth.rules import RuleSet
from saaf_autogen.settings import DenySettings, Document, GrantSettings, Settings

__all__ = ["DeclaredRule", "DeclaredRules"]

Rule = GrantSettings | DenySettings


@dataclass(frozen=True)
class DeclaredRule:
    """A rule of ``saaf.yaml``, and where it stands, such as ``saaf.yaml:42``.

    ``name`` is its id; a deny rule without one is called by its number.
    """

    name: str
    rule: Rule
    place: str

    def holds_in(self, tenant: str) -> bool:
        """Whether it is of that tenant, or of all."""
        return self.rule.tenant in (None, tenant)


@dataclass(frozen=True)
class DeclaredRules:
    """All of them, compiled.

    Attributes:
        settings: the deployment's.
        rules: in the order of the file, grants first.
        compiled: the same for the policy.
        agents: ids of the agents.
        tables: described tables by resource; None: what there is is not known.
    """

    settings: Settings
    rules: tuple[DeclaredRule, ...]
    compiled: RuleSet
    agents: Collection[str] = ()
    tables: Mapping[str, TableFacts] | None = None
    _by_name: dict[str, list[DeclaredRule]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls,
        settings: Settings,
        document: Document | None = None,
        *,
        agents: Collection[str] = (),
        tables: Mapping[str, TableFacts] | None = None,
    ) -> DeclaredRules:
        """Those of the settings, with their lines in ``document``.

        Raises:
            ConfigurationError: a grant makes no sense.
        """
        rules = tuple(_rules(settings, document))
        by_name: dict[str, list[DeclaredRule]] = {}
        for each in rules:
            by_name.setdefault(each.name, []).append(each)
        compiled = RuleSet.declared(settings.grants, settings.deny)
        return cls(settings, rules, compiled, frozenset(agents), tables, by_name)

    def find(self, name: str, *, tenant: str) -> DeclaredRule | None:
        """The rule of that name that holds in a tenant."""
        return next((x for x in self._by_name.get(name, ()) if x.holds_in(tenant)), None)


def _rules(settings: Settings, document: Document | None) -> Iterator[DeclaredRule]:
    def place(key: str, index: int) -> str:
        if document is None:
            return "saaf.yaml"
        return f"{document.file.name}:{document.line((key, index))}"

    for index, grant in enumerate(settings.grants):
        yield DeclaredRule(grant.id, grant, place("grants", index))
    for index, deny in enumerate(settings.deny):
        yield DeclaredRule(deny.id or f"deny[{index}]", deny, place("deny", index))
