"""What turns texts into vectors, as the rooms above know it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]

__all__ = ["Embedder", "Kind"]

Kind = Literal["query", "document"]


class Embedder(Protocol):
    """Makes vectors of texts; the nearer two meanings, the larger their vectors' product.

    Attributes:
        model: identity of the model, part of every cache's keys: equal means equal vectors.
        dimension: length of a vector; 0 while an endpoint has not said it.
        batch: how many texts it likes at once.
    """

    @property
    def model(self) -> str: ...  # noqa: D102 - said above

    @property
    def dimension(self) -> int: ...  # noqa: D102 - said above

    @property
    def batch(self) -> int: ...  # noqa: D102 - said above

    async def embed(self, texts: Sequence[str], *, kind: Kind) -> Vectors:
        """Vectors of texts.

        Args:
            texts: any number; what is longer than the model reads is cut.
            kind: models may treat questions and what they are searched in differently.

        Returns:
            float32 of shape (texts, dimension), each row of length 1.

        Raises:
            Upstream, TimedOut: an endpoint failed.
            ConfigurationError: the model cannot be loaded.
        """
        ...

    async def close(self) -> None:
        """Let go of connections of this event loop."""
        ...
