"""The catalogue: every category, in the order of tools/list. A new category is one file and one line here."""

from pgwarden.catalogue import Category
from pgwarden.tools import query, schema, session, write

CATEGORIES = (
    Category("sql_query", "free SQL that only reads", query),
    Category("sql_write", "free SQL that changes data or schema", write),
    Category("schema_read", "databases, schemas, tables and what is in them", schema),
    Category("session", "which tools are listed", session),
)
