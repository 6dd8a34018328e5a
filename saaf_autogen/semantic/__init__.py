"""The semantic layer: what the warehouse's data means, per caller.

``load_semantic`` reads a deployment's ``semantic/`` folder into a ``SemanticCatalog``, which tells
the policy what there is (``facts``). ``SemanticView`` is the catalog as one caller may see it; on a
view work ``ContextBuilder`` (what a prompt needs for a question) and ``MetadataTables`` (the same
metadata as SQL tables). Nothing here decides who may see what.
"""

from saaf_autogen.semantic.catalog import SemanticCatalog
from saaf_autogen.semantic.context import ContextBuilder, context
from saaf_autogen.semantic.loader import check_semantic, load_semantic
from saaf_autogen.semantic.metadata import MetadataResult, MetadataTables
from saaf_autogen.semantic.model import SemanticModel
from saaf_autogen.semantic.view import SemanticView

__all__ = [
    "ContextBuilder",
    "MetadataResult",
    "MetadataTables",
    "SemanticCatalog",
    "SemanticModel",
    "SemanticView",
    "check_semantic",
    "context",
    "load_semantic",
]
