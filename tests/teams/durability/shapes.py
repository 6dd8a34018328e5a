"""One team of each AutoGen shape, with a model that answers from the conversation alone.

A script is a function of the request (``saaf_autogen.testing.openai_server``), so a turn that is
done again goes the same way, in this process or in another. Tools are one action, ``probe.note``
(scope ``probe:note``, argument ``text``), which returns ``{"noted": text}``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from saaf_autogen.testing.openai_server import Calls, Reply, Text
from tests.teams.durability.said import SAID, TASK

__all__ = ["ACTION", "SHAPES", "TASK", "Shape", "note"]

ACTION = "probe.note"
Script = Callable[[dict[str, Any]], Reply]
Config = dict[str, Any]


def note(text: str) -> dict[str, str]:
    """What ``probe.note`` returns."""
    return {"noted": text}


@dataclass(frozen=True)
class Shape:
    """A team with its task and its model.

    Attributes:
        name: of the shape.
        config: an AutoGen component config, as it stands in an agent's file below ``saaf:``.
        task: the run's input.
        script: what the model says to a request.
        said: source and text of the messages of a run, in order, the task left out.
        stop: how its stop reason begins; empty for a single agent, which has none in AutoGen.
        answers: what humans say, in the order in which they are asked.
        parallel: agents speak at the same time, so that only the sorted messages are the same.
    """

    name: str
    config: Config
    task: str
    script: Script
    said: tuple[tuple[str, str], ...] = ()
    stop: str = ""
    answers: tuple[str, ...] = ()
    parallel: bool = False

    @property
    def definition(self) -> Config:
        """An agent's file."""
        return {"saaf": {"scopes": ["probe:note"]}, **self.config}

    @property
    def output(self) -> str:
        """The run's output: the last message that a participant said."""
        return [text for source, text in self.said if source != "user"][-1]


MODEL: Config = {"provider": "saaf_autogen.ModelClient", "config": {"name": "default"}}
NOTES: Config = {"provider": "saaf_autogen.ActionWorkbench", "config": {"actions": ["probe.*"]}}


def agent(name: str, **config: Any) -> Config:
    return {
        "provider": "autogen_agentchat.agents.AssistantAgent",
        "component_type": "agent",
        "config": {
            "name": name,
            "description": f"{name} works",
            "model_client": MODEL,
            "reflect_on_tool_use": False,
            "tool_call_summary_format": "{result}",
            "system_message": f"You are {name}.",
            **config,
        },
    }


def worker(name: str, **config: Any) -> Config:
    """An agent that makes a note before it speaks."""
    return agent(name, workbench=[NOTES], max_tool_iterations=4, **config)


def team(kind: str, *participants: Config, **config: Any) -> Config:
    return {
        "provider": f"autogen_agentchat.teams.{kind}",
        "component_type": "team",
        "config": {"participants": list(participants), **config},
    }


def part(kind: str, provider: str, /, **config: Any) -> Config:
    return {"provider": f"autogen_agentchat.{kind}.{provider}", "config": config}


def stop_at(text: str) -> Config:
    return part("conditions", "TextMentionTermination", text=text)


def either(*conditions: Config) -> Config:
    return part("base", "OrTerminationCondition", conditions=list(conditions))


def graph(start: str, **nodes: list[Config]) -> Config:
    return {
        "nodes": {
            name: {"name": name, "edges": edges, "activation": "all"}
            for name, edges in nodes.items()
        },
        "default_start_node": start,
    }


def to(target: str, condition: str | None = None, group: str = "") -> Config:
    return {"target": target, "condition": condition, "activation_group": group}


def speaker(body: dict[str, Any]) -> str:
    """Whose request it is, by the system message of ``agent``."""
    first = body["messages"][0]
    text = str(first["content"])
    return text.removeprefix("You are ").removesuffix(".") if first["role"] == "system" else ""


def saw(body: dict[str, Any]) -> Text:
    """The same conversation, the same words."""
    return Text(f"{speaker(body) or 'model'} saw {len(body['messages'])}")


def spoken(body: dict[str, Any]) -> int:
    """How often the agent has spoken in words."""
    return sum(
        1
        for message in body["messages"]
        if message["role"] == "assistant" and not message.get("tool_calls")
    )


def called(body: dict[str, Any]) -> int:
    """How many tools were called since the last word of anyone."""
    count = 0
    for message in reversed(body["messages"]):
        if message["role"] == "tool":
            count += 1
        elif not message.get("tool_calls"):
            break
    return count


def works(body: dict[str, Any]) -> Reply:
    """Whoever has tools makes a note, then speaks."""
    if body.get("tools") and not called(body):
        return Calls([("probe_note", {"text": f"{speaker(body)} {len(body['messages'])}"})])
    return saw(body)


def works_twice(body: dict[str, Any]) -> Reply:
    """Two notes at once, then one more, then words."""
    who = f"{speaker(body)} {len(body['messages'])}"
    if called(body) == 0:
        return Calls([("probe_note", {"text": f"{who} {index}"}) for index in "lr"])
    if called(body) == 2:
        return Calls([("probe_note", {"text": f"{who} again"})])
    return saw(body)


def selects(body: dict[str, Any]) -> Reply:
    if "select the next role" not in str(body["messages"][0]["content"]):
        return works(body)
    history = str(body["messages"][0]["content"])
    return Text("b" if history.count("a saw") > history.count("b saw") else "a")


def hands_over(body: dict[str, Any]) -> Reply:
    """a hands over to b, b works and hands back, a ends it."""
    who, before = speaker(body), spoken(body)
    tools = [tool["function"]["name"] for tool in body.get("tools", ())]
    over = next((name for name in tools if name.startswith("transfer_to")), "")
    handed = sum(
        1
        for message in body["messages"]
        for call in message.get("tool_calls") or ()
        if call["function"]["name"] == over
    )
    if who == "a":
        return Calls([(over, {})]) if handed == 0 else Text(f"a saw {len(body['messages'])} DONE")
    if "probe_note" in tools and not any(m["role"] == "tool" for m in body["messages"]):
        return Calls([("probe_note", {"text": f"{who} {before}"})])
    return Calls([(over, {})])


def loops(body: dict[str, Any]) -> Reply:
    if speaker(body) == "b" and called(body):
        return Text("b is done" if spoken(body) >= 2 else "b says again")
    return works(body)


def orchestrates(body: dict[str, Any]) -> Reply:
    """One round that gets nowhere, a new plan, and one that ends it."""
    last = str(body["messages"][-1]["content"])
    if speaker(body):
        return works(body)
    for opening, answer in {
        "Below I will present": "facts, first",
        "Fantastic.": "plan, first",
        "As a reminder": "facts, better",
        "Please briefly explain": "plan, better",
        "\nWe are working on the following task": "the final answer",
    }.items():
        if last.startswith(opening):
            return Text(answer)
    better = "facts, better" in str(body["messages"][0]["content"])
    heard = sum(1 for message in body["messages"][:-1] if message["role"] == "user")
    entry = {
        "is_request_satisfied": better and heard > 0,
        "is_in_loop": False,
        "is_progress_being_made": better or heard == 0,
        "instruction_or_question": f"Do your part, {'b' if better else 'a'}.",
        "next_speaker": "b" if better else "a",
    }
    return Text(json.dumps({key: {"reason": "so", "answer": item} for key, item in entry.items()}))


def asks_its_tool(body: dict[str, Any]) -> Reply:
    """The editor asks its tool, once a turn; whoever is within the tool works."""
    if speaker(body) not in ("editor", "boss"):
        return works(body)
    if called(body):
        return saw(body)
    name = body["tools"][0]["function"]["name"]
    return Calls([(name, {"task": f"Help {speaker(body)} with {len(body['messages'])}."})])


def asks_its_tool_twice(body: dict[str, Any]) -> Reply:
    """As above, with the same task twice at once: the calls wait for one another."""
    reply = asks_its_tool(body)
    if isinstance(reply, Calls) and reply.calls[0][0] != "probe_note":
        return Calls([(reply.calls[0][0], {"task": "Help."})] * 2)
    return reply


def structured(body: dict[str, Any]) -> Reply:
    if "response_format" not in body or (body.get("tools") and not called(body)):
        return works(body)
    verdict = {"verdict": f"{speaker(body)} saw {len(body['messages'])}", "score": 7}
    return Text(json.dumps(verdict))


def asks_the_user(body: dict[str, Any]) -> Reply:
    """Hands over to the user until it has said yes."""
    told = [str(message["content"]) for message in body["messages"] if message["role"] == "user"]
    if "yes" in told:
        return Text(f"a saw {len(body['messages'])} DONE")
    if not any(message["role"] == "tool" for message in body["messages"]):
        return Calls([("probe_note", {"text": "before"})])
    return Calls([("transfer_to_user", {})])


VERDICT: Config = {
    "type": "object",
    "title": "Verdict",
    "properties": {"verdict": {"type": "string"}, "score": {"type": "integer"}},
    "required": ["verdict", "score"],
}


def verdict(name: str) -> Config:
    return part(
        "messages",
        "StructuredMessageFactory",
        json_schema=VERDICT,
        format_string=None,
        content_model_name=name,
    )


def society(name: str, inner: Config) -> Config:
    return part("agents", "SocietyOfMindAgent", name=name, team=inner, model_client=MODEL)


def filtered(name: str, wrapped: Config, *sources: str) -> Config:
    kept = [{"source": source, "position": "last", "count": 1} for source in sources]
    return part(
        "agents",
        "MessageFilterAgent",
        name=name,
        wrapped_agent=wrapped,
        filter={"per_source": kept},
    )


def _shapes() -> list[Shape]:
    inner = team("RoundRobinGroupChat", worker("x"), agent("y"), name="inner", max_turns=2)
    selector = {
        "model_client": MODEL,
        "selector_prompt": "{roles} {participants} {history} select the next role",
        "allow_repeated_speaker": True,
    }
    branches = graph("s", s=[to("l"), to("r")], l=[to("j")], r=[to("j")], j=[])
    loop = graph("a", a=[to("b")], b=[to("a", "again", "loop"), to("c", "done")], c=[])
    writer = part("tools", "AgentTool", agent=worker("writer"), return_value_as_last_message=True)
    desk = part(
        "tools",
        "TeamTool",
        name="desk",
        description="A desk of two.",
        team=inner,
        return_value_as_last_message=False,
    )
    return [
        Shape("single", worker("solo"), TASK, works_twice),
        Shape(
            "round_robin",
            team("RoundRobinGroupChat", worker("a"), worker("b"), max_turns=3),
            TASK,
            works_twice,
            stop="Maximum number of turns",
        ),
        Shape(
            "streamed",
            team(
                "RoundRobinGroupChat",
                worker("a", model_client_stream=True),
                agent("b", model_client_stream=True),
                max_turns=4,
            ),
            TASK,
            works,
            stop="Maximum number of turns",
        ),
        Shape(
            "selector",
            team(
                "SelectorGroupChat",
                worker("a"),
                agent("b"),
                **selector,
                termination_condition=part("conditions", "MaxMessageTermination", max_messages=5),
            ),
            TASK,
            selects,
            stop="Maximum number of messages",
        ),
        Shape(
            "swarm",
            team(
                "Swarm",
                agent("a", handoffs=["b"]),
                worker("b", handoffs=["a"]),
                termination_condition=stop_at("DONE"),
            ),
            TASK,
            hands_over,
            stop="Text 'DONE' mentioned",
        ),
        Shape(
            "graph_parallel",
            team("GraphFlow", agent("s"), worker("l"), worker("r"), agent("j"), graph=branches),
            TASK,
            works,
            stop="Digraph execution is complete",
            parallel=True,
        ),
        Shape(
            "graph_loop",
            team("GraphFlow", agent("a"), worker("b"), agent("c"), graph=loop, max_turns=12),
            TASK,
            loops,
            stop="Digraph execution is complete",
        ),
        Shape(
            "magentic",
            team(
                "MagenticOneGroupChat",
                worker("a"),
                worker("b"),
                model_client=MODEL,
                max_turns=8,
                max_stalls=1,
                final_answer_prompt="\nWe are working on the following task: sum up.",
            ),
            TASK,
            orchestrates,
            stop="so",
        ),
        Shape(
            "society",
            team("RoundRobinGroupChat", society("s", inner), agent("b"), max_turns=4),
            TASK,
            works,
            stop="Maximum number of turns",
        ),
        Shape(
            "nested",
            team("RoundRobinGroupChat", agent("a"), inner, max_turns=4),
            TASK,
            works,
            stop="Maximum number of turns",
        ),
        Shape(
            "agent_tool",
            team(
                "RoundRobinGroupChat",
                agent("editor", tools=[writer], max_tool_iterations=3),
                agent("b"),
                max_turns=3,
            ),
            TASK,
            asks_its_tool,
            stop="Maximum number of turns",
        ),
        Shape(
            "team_tool",
            team(
                "RoundRobinGroupChat",
                agent("boss", tools=[desk], max_tool_iterations=3),
                agent("b"),
                max_turns=3,
            ),
            TASK,
            asks_its_tool,
            stop="Maximum number of turns",
        ),
        Shape(
            "crowded",
            team(
                "GraphFlow",
                agent("s"),
                agent("editor", tools=[writer], max_tool_iterations=3),
                agent("boss", tools=[desk], max_tool_iterations=3),
                agent("j"),
                graph=graph(
                    "s", s=[to("editor"), to("boss")], editor=[to("j")], boss=[to("j")], j=[]
                ),
            ),
            TASK,
            asks_its_tool_twice,
            stop="Digraph execution is complete",
            parallel=True,
        ),
        Shape(
            "structured",
            team(
                "RoundRobinGroupChat",
                worker("judge", structured_message_factory=verdict("Verdict")),
                agent("b"),
                max_turns=3,
            ),
            TASK,
            structured,
            stop="Maximum number of turns",
        ),
        Shape(
            "filtered",
            team(
                "RoundRobinGroupChat",
                worker("a"),
                filtered("f", worker("inside"), "a"),
                max_turns=4,
            ),
            TASK,
            works,
            stop="Maximum number of turns",
        ),
        Shape(
            "user_proxy",
            team(
                "RoundRobinGroupChat",
                worker("a"),
                part("agents", "UserProxyAgent", name="human", description="A human."),
                max_turns=4,
            ),
            TASK,
            works,
            stop="Maximum number of turns",
            answers=("first", "second"),
        ),
        Shape(
            "handoff",
            team(
                "Swarm",
                worker("a", handoffs=["user"]),
                termination_condition=either(
                    part("conditions", "HandoffTermination", target="user"), stop_at("DONE")
                ),
            ),
            TASK,
            asks_the_user,
            stop="Text 'DONE' mentioned",
            answers=("yes",),
        ),
    ]


SHAPES: dict[str, Shape] = {
    shape.name: replace(shape, said=SAID[shape.name]) for shape in _shapes()
}
