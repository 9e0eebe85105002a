"""An MCP server that lets an AI assistant work PostgreSQL without being able to hurt it."""

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("pgwarden")
