from __future__ import annotations

import importlib.metadata
import inspect
import sys
from typing import Any

import pytest
from autogen_agentchat.agents import MessageFilterAgent
from autogen_agentchat.tools._task_runner_tool import TaskRunnerTool
from autogen_core._single_threaded_agent_runtime import RunContext

from saaf_autogen.errors import ConfigurationError
from saaf_autogen.teams import selfcheck
from saaf_autogen.teams.selfcheck import AUTOGEN_VERSION, check_autogen


def test_the_installed_autogen_is_the_one_that_is_known() -> None:
    check_autogen()
    assert importlib.metadata.version("autogen-core") == AUTOGEN_VERSION


@pytest.mark.parametrize("package", ["autogen-core", "autogen-agentchat", "autogen-ext"])
def test_another_version_of_any_package_is_refused_with_what_to_run(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(name: str) -> str:
        return "0.7.6" if name == package else AUTOGEN_VERSION

    monkeypatch.setattr(selfcheck, "version", version)
    with pytest.raises(
        ConfigurationError, match=rf"{package} 0\.7\.5 .* 0\.7\.6 is inst"
    ) as refused:
        check_autogen()
    assert refused.value.remedy == f"Run: pip install '{package}==0.7.5'"


def test_a_package_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(selfcheck, "version", version)
    with pytest.raises(ConfigurationError, match="none is installed"):
        check_autogen()


def test_a_private_method_that_is_gone_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(RunContext, "_run")
    with pytest.raises(ConfigurationError, match="RunContext lacks _run"):
        check_autogen()


def test_a_method_that_takes_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run_stream(self: Any, args: Any) -> None: ...

    monkeypatch.setattr(TaskRunnerTool, "run_stream", run_stream)
    with pytest.raises(ConfigurationError, match=r"run_stream takes \(self args\) and not"):
        check_autogen()


def test_an_attribute_that_is_no_longer_set_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def init(self: Any, name: str, wrapped: Any, filter: Any) -> None:  # noqa: A002  # AutoGen's name
        self._inner = wrapped

    monkeypatch.setattr(MessageFilterAgent, "__init__", init)
    with pytest.raises(ConfigurationError, match="MessageFilterAgent lacks _wrapped_agent"):
        check_autogen()


def test_a_private_module_that_is_gone_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "autogen_agentchat.tools._task_runner_tool", None)
    with pytest.raises(ConfigurationError, match=r"_task_runner_tool\.TaskRunnerTool lacks run"):
        check_autogen()


def test_the_check_runs_before_any_cure_is_applied() -> None:
    from saaf_autogen.teams import faults

    body = inspect.getsource(faults.install)
    assert body.index("check_autogen()") < body.index("import economies")
