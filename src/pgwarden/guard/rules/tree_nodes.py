"""What a query may consist of, in sqlglot's terms. Whatever is not listed is denied, Command first of all."""

from __future__ import annotations

from typing import Any, Final

from pgwarden.guard.keywords import words
from pgwarden.guard.names import Names
from pgwarden.guard.parsed import Refused

ALLOWED: Final = words("""
    Select Union Intersect Except Values Tuple Subquery With CTE RecursiveWithSearch
    From Join Lateral Table TableAlias Unnest TableSample Where Group GroupingSets Cube Rollup Grouping Having
    Window WindowSpec Order Ordered Limit Offset Fetch LimitOptions Distinct WithinGroup Filter
    Identifier Column Dot Star Alias Aliases Literal Null Boolean Paren Array Bracket Slice Var Placeholder Parameter
    Anonymous Kwarg Cast DataType DataTypeParam ColumnDef Interval IntervalSpan Collate
    Add Sub Mul Div Mod DPipe Neg Not And Or EQ NEQ LT LTE GT GTE Is Like ILike SimilarTo Escape Between In
    Any All Exists NullSafeEQ NullSafeNEQ Overlaps AtTimeZone
    Case If Coalesce Nullif Greatest Least Extract Substring StrPosition Overlay Trim Normalize
    CurrentDate CurrentTime CurrentTimestamp Localtime Localtimestamp CurrentUser CurrentRole SessionUser CurrentCatalog
    CurrentSchema
    JSONObject JSONObjectAgg JSONArray JSONArrayAgg JSONKeyValue JSON FormatJson
    XMLTable XMLNamespace ColumnConstraint PathColumnConstraint
    """)
"""Calls are all Anonymous in a skeleton: a class of sqlglot's for one function is here only where it is syntax."""

CHANGING: Final = ALLOWED | words("Insert Update Delete Merge Whens When OnConflict Returning Schema")
"""What a statement that changes rows may consist of; `tree_changes` counts them."""


def check(nodes: list[Any], names: Names) -> None:
    """Refuse a tree with a node of a class that is not listed."""
    allowed = CHANGING if names.changes else ALLOWED
    for node in nodes:
        if type(node).__name__ not in allowed:
            raise Refused(
                "not_understood",
                f"The statement uses a construct that is not accepted ({type(node).__name__}).",
                "Write it more plainly.",
            )
