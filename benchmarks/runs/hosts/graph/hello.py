"""The graph that langgraph and Aegra serve: one node that always says the same."""

# Checked against nothing: its libraries are in an environment of its own.
# mypy: ignore-errors

from langchain_core.messages import AIMessage
from langgraph.graph import END, START, MessagesState, StateGraph


async def answer(_: MessagesState) -> dict[str, list[AIMessage]]:
    """Two messages: the task, and this."""
    return {"messages": [AIMessage("Hello, what can I do for you?")]}


_builder = StateGraph(MessagesState)
_builder.add_node("answer", answer)
_builder.add_edge(START, "answer")
_builder.add_edge("answer", END)
graph = _builder.compile()
