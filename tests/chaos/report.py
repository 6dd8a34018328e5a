"""What a campaign found, printed as it goes and written down at the end."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Figure", "Report"]

_SHOWN = 8
_KEPT = 50


@dataclass(frozen=True)
class Figure:
    """Something measured. ``bound`` says what it had to be, where it had to be anything."""

    campaign: str
    name: str
    value: Any
    bound: str = ""
    ok: bool = True


@dataclass
class Report:
    """Collects figures; a fault makes the whole campaign fail."""

    seed: int
    figures: list[Figure] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def add(
        self, campaign: str, name: str, value: Any, *, bound: str = "", ok: bool = True
    ) -> None:
        """Note a figure, and say it."""
        if isinstance(value, float):
            value = round(value, 2)
        figure = Figure(campaign, name, value, bound, ok)
        self.figures.append(figure)
        mark = "" if ok else "   << FAULT"
        self._say(f"  {name}: {value}{f'  (must be {bound})' if bound else ''}{mark}")
        if not ok:
            self.faults.append(f"{campaign}: {name} is {value}, must be {bound}")

    def none(self, campaign: str, name: str, faults: list[str]) -> None:
        """Note how many faults there are; there must be none."""
        self.add(campaign, name, len(faults), bound="0", ok=not faults)
        for fault in faults[:_SHOWN]:
            self._say(f"    {fault}")
        self.faults += [f"  {fault}" for fault in faults[:_KEPT]]

    def begin(self, campaign: str) -> None:
        """Say what comes."""
        self._say(f"\n{campaign} ({time.monotonic() - self.started:.0f} s)")

    def write(self, folder: Path) -> Path:
        """Write it as JSON and as Markdown; the latter's path."""
        folder.mkdir(parents=True, exist_ok=True)
        found = {
            "seed": self.seed,
            "seconds": round(time.monotonic() - self.started, 1),
            "figures": [asdict(each) for each in self.figures],
            "faults": self.faults,
        }
        (folder / "chaos.json").write_text(json.dumps(found, indent=2, default=str))
        lines = [f"# Chaos, seed {self.seed}", ""]
        for campaign in dict.fromkeys(each.campaign for each in self.figures):
            lines += [f"## {campaign}", "", "| | measured | must be | |", "|---|---|---|---|"]
            lines += [
                f"| {each.name} | {each.value} | {each.bound} | {'' if each.ok else 'FAULT'} |"
                for each in self.figures
                if each.campaign == campaign
            ]
            lines.append("")
        lines += ["## Faults", "", *(f"- {fault}" for fault in self.faults or ["none"])]
        page = folder / "chaos.md"
        page.write_text("\n".join(lines) + "\n")
        return page

    def _say(self, text: str) -> None:
        print(text, file=sys.stdout, flush=True)
