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

    def __init__(self, granted: Iterable[Toolset], shown: Iterable[str]) -> None:
        """Start with `shown`, less what is not in `granted`."""
        self.granted = {toolset.name: toolset for toolset in granted}
        self._shown = self.granted.keys() & set(shown)
        self.revision = 0

    @property
    def shown(self) -> tuple[str, ...]:
        """The categories listed now, in the catalogue's order."""
        return tuple(name for name in self.granted if name in self._shown)

    def enable(self, name: str) -> bool:
        """Show a granted category; return whether that changed anything.

        Raises:
            KeyError: The category is not granted.
        """
        if self.granted[name].name in self._shown:
            return False
        self._shown.add(name)
        self.revision += 1
        return True
