"""Reading rows of one table without SQL: the category rows_read. Its tool is also a step of transactions."""

from pgwarden.tools._rows_read import read_rows

__all__ = ["read_rows"]
