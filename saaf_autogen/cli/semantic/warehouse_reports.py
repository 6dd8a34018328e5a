"""What the warehouse's commands do and print: results to stdout, progress to stderr."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, contextmanager
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from saaf_autogen.cli.progress import sample_progress
from saaf_autogen.clock import SystemClock
from saaf_autogen.project.scaffolding.drift import Drift, enumerations, find_drift
from saaf_autogen.project.scaffolding.files import unified_diff, write
from saaf_autogen.project.scaffolding.scaffold import ScaffoldPlan, gaps, plan_scaffold
from saaf_autogen.project.scaffolding.site import Site, open_warehouse, read_site
from saaf_autogen.project.scaffolding.verification import Verdict, promises
from saaf_autogen.project.scaffolding.verification import verify as run_promises
from saaf_autogen.sql import GuardedWarehouse
from saaf_autogen.sql.introspection import (
    Progress as Told,
)
from saaf_autogen.sql.introspection import SampleMode, introspect, look_into, look_for_values

__all__ = ["diff", "scaffold", "verify"]
