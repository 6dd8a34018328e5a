"""A run on the terminal: its steps as they happen, and its questions to whoever sits there."""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import Any

from rich.console import Console

from saaf_autogen.cli.events import describe_event
from saaf_autogen.cli.terminal import Terminal
from saaf_autogen.client import Run
from saaf_autogen.errors import Conflict, InvalidArguments

__all__ = ["WAITS", "end_of", "follow"]

WAITS = 3
"""The exit status of a command whose run waits for an answer."""

_RESOLUTIONS = ("done", "retry", "failed")


async def follow(run: Run, steps: Console, terminal: Terminal) -> None:
    """Show a run's steps and ask its questions, until it has ended or nobody answers."""
    async with aclosing(run.stream()) as events:
        async for event in events:
            line = describe_event(event)
            if line:
                steps.print(line)
            if event["type"] == "run.input_required":
                await run.refresh()
                if run.question and not await _ask(run, run.question, steps, terminal):
                    steps.print(f"It waits. Answer with: saaf runs answer {run.id}", markup=False)
                    return
    await run.wait(until="input")


def end_of(run: Run) -> int:
    """Print what the run came to; the command's exit status."""
    out = Console(highlight=False, soft_wrap=True)
    if run.status == "input_required":
        return WAITS
    if run.status == "completed":
        out.print(str(run.output), markup=False)
        return 0
    error = run.error or {}
    told = f"{run.status}: {error.get('detail', '')} {error.get('remedy') or ''}".strip()
    out.print(told, markup=False)
    return 1


async def _ask(run: Run, question: dict[str, Any], steps: Console, terminal: Terminal) -> bool:
    """Have one question answered; False when input ends. Ctrl-D leaves the run waiting."""
    steps.print(f"{question['source']} asks: {question['prompt']}", style="bold", markup=False)
    while True:
        answer = await _answer_to(question, steps, terminal)
        if answer is None:
            return False
        try:
            await run.answer(**answer)
        except InvalidArguments as error:
            steps.print(str(error), style="red", markup=False)
            continue
        except Conflict as error:
            # Somebody else was faster: the run goes on, and so does the stream.
            steps.print(str(error), style="dim", markup=False)
        return True


async def _answer_to(
    question: dict[str, Any], steps: Console, terminal: Terminal
) -> dict[str, Any] | None:
    if question["kind"] != "outcome_unknown":
        text = await _line(steps, terminal, "answer> ")
        return None if text is None else {"text": text}
    facts = question["data"]
    steps.print(f"{facts.get('action')} {json.dumps(facts.get('arguments'))}", markup=False)
    resolution = ""
    while resolution not in _RESOLUTIONS:
        typed = await _line(steps, terminal, "done, retry or failed> ")
        if typed is None:
            return None
        resolution = typed
    if resolution != "done":
        return {"resolution": resolution}
    while True:
        steps.print("what it returned, as JSON (empty: null)> ", end="", markup=False)
        typed = await terminal.line()
        if typed is None:
            return None
        try:
            return {"resolution": "done", "value": json.loads(typed or "null")}
        except ValueError:
            steps.print("That is not JSON.", style="red")


async def _line(steps: Console, terminal: Terminal, prompt: str) -> str | None:
    """A line that is not empty; None at the end of input."""
    line: str | None = ""
    while line == "":
        steps.print(prompt, end="", markup=False)
        line = await terminal.line()
    return line
