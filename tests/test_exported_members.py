"""What a module says that it offers is what it offers."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import saaf_autogen

PACKAGE = Path(__file__).parent.parent / "saaf_autogen"
MODULES = sorted(
    ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for file in PACKAGE.rglob("*.py")
    if "migrations" not in file.parts and file.name != "__main__.py"
)


def public_names(tree: ast.Module) -> set[str]:
    """Classes and functions that a module defines under a public name."""
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in tree.body if isinstance(node, kinds) and node.name[0] != "_"}


@pytest.mark.parametrize("name", MODULES)
def test_all_is_there_and_names_what_exists(name: str) -> None:
    module = importlib.import_module(name)
    offered = getattr(module, "__all__", None)
    if offered is None:
        # A room's first page may be its docstring alone.
        assert Path(str(module.__file__)).name == "__init__.py", f"{name} lacks __all__"
        assert not public_names(ast.parse(Path(str(module.__file__)).read_text()))
        return
    assert len(set(offered)) == len(offered)
    for member in offered:
        assert hasattr(module, member), f"{name} offers {member}, which it has not"


def test_the_package_offers_its_public_names_and_loads_them_when_asked() -> None:
    assert set(dir(saaf_autogen)) == set(saaf_autogen.__all__)
    for name in saaf_autogen.__all__:
        assert getattr(saaf_autogen, name) is not None
    with pytest.raises(AttributeError, match="Clinet"):
        _ = saaf_autogen.Clinet


@pytest.mark.parametrize("heavy", ["autogen_core", "duckdb", "fastapi", "openai"])
def test_importing_the_package_loads_nothing_heavy(heavy: str) -> None:
    code = f"import sys, saaf_autogen, saaf_autogen.cli.main; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
