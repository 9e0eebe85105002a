"""The guard on definitions: its corpus, and PostgreSQL's own parser as a second opinion."""
