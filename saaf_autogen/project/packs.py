"""Loading a deployment's action packs: ``tools/*.py``, under private module names.

A deployment is never put on ``sys.path``: names such as ``tools`` belong to other packages too.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

from saaf_autogen.actions.declaration import declaration_of
from saaf_autogen.actions.definition import ActionDefinition
from saaf_autogen.actions.packs import semantic, warehouse
from saaf_autogen.actions.registry import ActionRegistry
from saaf_autogen.auth.scopes import Scope, ScopeRegistry
from saaf_autogen.errors import ConfigurationError, Finding, SaafError

__all__ = ["load_packs"]

_SCOPES = "SCOPES"
_ANNOTATED = "annotate every parameter and the result with types that JSON can hold"
_IMPORTABLE = "a pack must import without errors: mend the line, or install what it needs"


def load_packs(folder: Path) -> tuple[ActionRegistry, ScopeRegistry, list[Finding]]:
    """The actions that come with SAAF and those of ``folder``, with every fault found.

    A pack declares scopes of its own in a module-level ``SCOPES``: name to description.
    """
    registry, scopes = ActionRegistry(), ScopeRegistry()
    registry.add_module(warehouse, pack="warehouse")
    registry.add_module(semantic, pack="semantic")
    findings: list[Finding] = []
    for file in sorted(folder.glob("*.py")):
        if not file.name.startswith("_"):
            findings += _load(registry, scopes, file)
    return registry, scopes, findings


def _load(registry: ActionRegistry, scopes: ScopeRegistry, file: Path) -> list[Finding]:
    module, fault = _import(file)
    if module is None:
        return [fault] if fault else []
    findings = _declare_scopes(scopes, module, file)
    for value in vars(module).values():
        declaration = declaration_of(value)
        if declaration is None or getattr(value, "__module__", None) != module.__name__:
            continue
        line = getattr(getattr(value, "__code__", None), "co_firstlineno", 0)
        for scope in scopes.unknown(declaration.scopes):
            message = f"{file.stem}.{value.__name__}: nobody declares the scope {scope}"
            remedy = "declare it in SCOPES of this file, or see `saaf scopes`"
            findings.append(Finding(file, line, message, remedy))
        try:
            registry.add(ActionDefinition.of(value, declaration, pack=file.stem))
        except ConfigurationError as error:
            findings.append(Finding(file, line, error.detail, error.remedy or _ANNOTATED))
    return findings


def _declare_scopes(scopes: ScopeRegistry, module: ModuleType, file: Path) -> list[Finding]:
    declared = getattr(module, _SCOPES, {})
    line = _line_of(file, _SCOPES)
    if not isinstance(declared, Mapping):
        remedy = 'write SCOPES = {"tools.PACK:VERB": "what it allows"}'
        return [Finding(file, line, "SCOPES must be a mapping of name to description", remedy)]
    findings: list[Finding] = []
    for name, description in declared.items():
        try:
            scopes.declare(Scope(str(name), str(description)))
        except ConfigurationError as error:
            remedy = error.remedy or "give each scope one description"
            findings.append(Finding(file, line, error.detail, remedy))
    return findings


def _import(file: Path) -> tuple[ModuleType | None, Finding | None]:
    folder = hashlib.sha256(str(file.parent).encode()).hexdigest()[:12]
    name = f"_saaf_pack_{folder}_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        message = "the file cannot be loaded as a Python module"
        return None, Finding(file, 0, message, "name it NAME.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        message = f"not valid Python: {error.msg}"
        return None, Finding(file, error.lineno or 0, message, "mend the line, or the one above")
    except SaafError as error:
        return None, Finding(file, _line_in(file, error), error.detail, error.remedy or _IMPORTABLE)
    except (Exception, SystemExit) as error:
        # A pack is the deployment's own code: whatever it raises at import is a fault to report.
        message = f"{type(error).__name__}: {error}"
        return None, Finding(file, _line_in(file, error), message, _IMPORTABLE)
    return module, None


def _line_of(file: Path, name: str) -> int:
    """The line of a module-level assignment; 0 where there is none."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            return node.lineno
    return 0


def _line_in(file: Path, error: BaseException) -> int:
    frames: Sequence[traceback.FrameSummary] = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(file) and frame.lineno]
    return lines[-1] if lines else 0
