"""The saaf command."""
