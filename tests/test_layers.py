"""Imports point down one order of layers, and only one package knows AutoGen."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "saaf_autogen"

# From the bottom up; rooms on one line do not know one another, but for those named below.
LAYERS = [
    {"errors", "clock", "crypto"},
    {"settings", "db"},
    {"egress", "audit", "limits"},
    {"auth"},
    {"embeddings"},
    {"semantic"},
    {"sql"},
    {"results"},
    {"actions"},
    {"journal"},
    {"teams"},
    {"runs"},
    {"project"},
    {"client"},
    {"testing"},
    {"api"},
    {"cli"},
]
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
WITHIN = {("crypto", "errors")}


def imports(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_point_down(file: Path) -> None:
    room = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room in ("__init__", "__main__"):
        return
    for name in imports(file):
        if not name.startswith("saaf_autogen."):
            continue
        other = name.split(".")[1]
        if other == room or other not in LEVEL:
            assert other == room or other.startswith("__"), f"{other} has no place in LAYERS"
            continue
        down = LEVEL[other] < LEVEL[room] or (room, other) in WITHIN
        assert down, f"{file.relative_to(PACKAGE)} ({room}) imports {name}: that points up or aside"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_only_teams_knows_autogen(file: Path) -> None:
    if file.relative_to(PACKAGE).parts[0] == "teams":
        return
    assert not [name for name in imports(file) if name.startswith("autogen")]


def test_every_room_says_what_lives_there() -> None:
    for folder in {file.parent for file in FILES}:
        if "migrations" in folder.parts:
            continue
        assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text())), folder
