"""The catalogue: every category, in the order of tools/list. A new category is one file and one line here."""

from pgwarden.catalogue import Category
from pgwarden.tools import (
    connection,
    export,
    features,
    insight,
    knowledge,
    knowledge_write,
    quality,
    query,
    rows_read,
    rows_write,
    schema,
    session,
    transaction,
    write,
)

CATEGORIES = (
    Category("sql_query", "free SQL that only reads", query),
    Category("sql_write", "free SQL that changes data or schema", write),
    Category("schema_read", "databases, schemas, tables and what is in them", schema),
    Category("rows_read", "rows of one table, without SQL", rows_read, listed=False),
    Category("rows_write", "changing rows of one table, without SQL", rows_write, listed=False),
    Category("transaction", "transactions that stand between calls", transaction, listed=False),
    Category("export", "results of queries as files", export, listed=False),
    Category("quality", "what the columns of a table hold", quality, listed=False),
    Category("feature_read", "rows of many entities by their keys", features, listed=False),
    Category("knowledge", "what was learned in earlier sessions", knowledge, listed=False),
    Category("knowledge_write", "keeping it, and removing it", knowledge_write, listed=False),
    Category("insight", "findings of this session", insight, listed=False),
    Category("connection", "which database calls run on", connection, listed=False),
    Category("session", "which tools are listed", session),
)
