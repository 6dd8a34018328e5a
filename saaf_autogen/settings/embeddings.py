"""Which model turns texts into vectors: one in the process, or an endpoint."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["EmbeddingSettings"]


class EmbeddingSettings(BaseModel):
    """The ``embeddings`` of ``saaf.yaml``. Keys come from the environment only."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider: Literal["local", "openai", "none"] = Field(
        default="local",
        description="`local` runs in the process and downloads nothing; `openai` is any endpoint "
        "that speaks OpenAI's /embeddings; `none` leaves it to full text",
    )
    model: str | None = Field(default=None, description="the endpoint's name of the model")
    base_url: str | None = Field(default=None, description="default: OpenAI's own")
    api_key_env: str | None = Field(default=None, description="variable that holds the key")
    dimensions: int | None = Field(
        default=None, ge=8, le=8192, description="asked of the endpoint, where it can shorten"
    )
    batch: int = Field(default=64, ge=1, le=2048, description="texts of a request")
    timeout_s: float = Field(default=20, gt=0, le=600)
    threads: int = Field(default=1, ge=1, le=16, description="of the local model")

    @model_validator(mode="after")
    def _complete(self) -> EmbeddingSettings:
        if self.provider == "openai" and not self.model:
            raise ValueError("embeddings of an endpoint need `model`")
        named = {"model", "base_url", "api_key_env", "dimensions"} & self.model_fields_set
        if self.provider != "openai" and named:
            raise ValueError(f"`{sorted(named)[0]}` is of provider `openai` alone")
        return self
