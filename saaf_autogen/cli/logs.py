"""What commands tell on stderr beside their results."""

from __future__ import annotations

import logging

__all__ = ["log_to_stderr"]


def log_to_stderr(level: int = logging.INFO) -> None:
    """SAAF's own messages from ``level`` on, and the warnings of others."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("saaf_autogen").setLevel(level)
    # It names places in its own source; what failed is told with the run that failed.
    logging.getLogger("autogen_core").setLevel(logging.CRITICAL)
