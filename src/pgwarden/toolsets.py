"""Which categories are in tools/list now.

`granted` is the policy's and never changes; `shown` starts small and grows when the model asks (`enable_toolset`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Toolset:
    """A category as the caller sees it: only the tools that are granted."""

    name: str
    title: str
    tools: tuple[str, ...]


class Toolsets:
    """The categories of one conversation. A stdio process serves one client, so there is one of these a process."""

    def __init__(self, granted: Iterable[Toolset], shown: Iterable[str], enabled: set[str] | None = None) -> None:
        """Start with `shown`, less what is not in `granted`.

        Args:
            granted: The policy's.
            shown: What is listed at first.
            enabled: What was enabled so far; shared with the other connections of the conversation.
        """
        self.granted = {toolset.name: toolset for toolset in granted}
        self._listed = self.granted.keys() & set(shown)
        self._enabled = set() if enabled is None else enabled

    @property
    def shown(self) -> tuple[str, ...]:
        """The categories listed now, in the catalogue's order."""
        return tuple(name for name in self.granted if name in self._listed or name in self._enabled)

    @property
    def revision(self) -> int:
        """A number that grows whenever something was enabled."""
        return len(self._enabled)

    def enable(self, name: str) -> bool:
        """Show a granted category; return whether that changed anything.

        Raises:
            KeyError: The category is not granted.
        """
        if self.granted[name].name in self.shown:
            return False
        self._enabled.add(name)
        return True
