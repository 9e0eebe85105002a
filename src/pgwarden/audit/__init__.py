"""The audit log: one JSON line a call, each carrying the hash of the line before it.

Lines are appended under an advisory lock, so several servers can share one log. Beside it stands a small head file
(`<log>.head`): number and hash of the last line, by which `verify` notices lines cut off at the end, and where the
kept chain starts, by which it notices rotated files that somebody else removed. A head that lags the log by lines that
chain on correctly is what a crash between the two writes leaves, and is fine.

A log that has reached its bound becomes `<log>.1`, that one `<log>.2`, and so on; the chain runs through all of them.
"""

from __future__ import annotations

from pgwarden.audit.log import AuditLog
from pgwarden.audit.verify import Verification, verify

__all__ = ["AuditLog", "Verification", "verify"]
