"""Secured functions: the ``@action`` decorator, the registry, and ``invoke``, the only door."""
