from __future__ import annotations

from autogen_core import MessageContext, RoutedAgent, SingleThreadedAgentRuntime, message_handler
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import BaseModel

from saaf_autogen.teams import faults


class Ping(BaseModel):
    pass


class Counter(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("counts")
        self.seen = 0

    @message_handler
    async def count(self, message: Ping, ctx: MessageContext) -> int:
        self.seen += 1
        return self.seen


async def asked(runtime: SingleThreadedAgentRuntime) -> list[int]:
    await Counter.register(runtime, "counter", Counter)
    runtime.start()
    answers = [await runtime.send_message(Ping(), await runtime.get("counter")) for _ in range(2)]
    await runtime.stop()
    return answers


async def test_agents_are_found_their_handlers_without_looking_again() -> None:
    faults.install()
    assert await asked(SingleThreadedAgentRuntime()) == [1, 2]
    assert await asked(SingleThreadedAgentRuntime()) == [1, 2]
    assert Counter._discover_handlers() is Counter._discover_handlers()


async def test_spans_are_left_out_only_where_they_go_nowhere() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    runtime = SingleThreadedAgentRuntime(tracer_provider=provider)
    assert await asked(runtime) == [1, 2]
    assert exporter.get_finished_spans() == ()
    runtime = SingleThreadedAgentRuntime()
    runtime._tracer_helper.tracer_provider = provider
    runtime._tracer_helper.tracer = provider.get_tracer("test")
    assert await asked(runtime) == [1, 2]
    assert exporter.get_finished_spans()
