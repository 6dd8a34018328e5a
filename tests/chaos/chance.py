"""Chance that can be repeated."""

from __future__ import annotations

from random import Random

__all__ = ["chance"]


def chance(*parts: object) -> Random:
    """Random numbers that are the same for the same parts."""
    return Random(":".join(map(str, parts)))  # noqa: S311 - repeatable is what it is to be
