"""Files to documents, a module a format."""

from retrieval.parsing.draft import Unreadable
from retrieval.parsing.formats import parse

__all__ = ["Unreadable", "parse"]
