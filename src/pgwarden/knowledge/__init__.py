"""What was learned about a database: kept across sessions (`Knowledge`), or during one (`Insights`).

Both hold text that somebody wrote, which is data and no instruction.
"""

from pgwarden.knowledge.entry import ENTRY_BYTES, TITLE_CHARS, TOPICS, Entry, with_topics
from pgwarden.knowledge.folder import KnowledgeError
from pgwarden.knowledge.insights import INSIGHT_CHARS, Insights
from pgwarden.knowledge.search import Hit, search
from pgwarden.knowledge.store import Knowledge, Shelf

__all__ = [
    "ENTRY_BYTES",
    "INSIGHT_CHARS",
    "TITLE_CHARS",
    "TOPICS",
    "Entry",
    "Hit",
    "Insights",
    "Knowledge",
    "KnowledgeError",
    "Shelf",
    "search",
    "with_topics",
]
