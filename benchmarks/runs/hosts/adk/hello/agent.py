"""One agent on a model in process that always says the same."""

# Checked against nothing: its libraries are in an environment of its own.
# mypy: ignore-errors

from collections.abc import AsyncGenerator

from google.adk.agents import LlmAgent
from google.adk.models import BaseLlm, LlmRequest, LlmResponse
from google.genai import types


class Scripted(BaseLlm):
    """A model without a model."""

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        """The answer."""
        part = types.Part(text="Hello, what can I do for you?")
        yield LlmResponse(content=types.Content(role="model", parts=[part]))


root_agent = LlmAgent(name="hello", model=Scripted(model="scripted"), instruction="Greet.")
