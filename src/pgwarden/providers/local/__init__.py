"""PostgreSQL on this machine: its binaries, clusters of our own, and the embedded server."""

from pgwarden.providers.local.binaries import Binaries, find, find_all
from pgwarden.providers.local.cluster import Cluster
from pgwarden.providers.local.embedded import Embedded

__all__ = ["Binaries", "Cluster", "Embedded", "find", "find_all"]
