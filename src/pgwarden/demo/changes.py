"""The scenes in which the assistant may change something, and those under a policy file."""

from __future__ import annotations

import json
import re
from typing import Any

from mcp import Client
from mcp_types import ElicitRequestParams, ElicitResult

from pgwarden.demo.calls import error, result, shown, text
from pgwarden.demo.stage import Stage, check

DELETED = "DELETE FROM shop.orders WHERE status = 'placed'"
DROPPED = "DROP TABLE shop.old_prices"
EMPTIED = "DELETE FROM shop.reviews"
LEFT = "SELECT (SELECT count(*) FROM shop.orders) AS orders, (SELECT count(*) FROM shop.order_items) AS items"
MASKED = "SELECT name, email FROM shop.customers ORDER BY id LIMIT 3"
AS_JSON = "SELECT to_jsonb(c) AS customer FROM shop.customers AS c ORDER BY id LIMIT 1"
GUESSED = "SELECT name FROM shop.customers ORDER BY email"
PRICE = "SELECT price FROM shop.products WHERE id = 1"
HIDDEN, MISSING = "SELECT * FROM shop.wages", "SELECT * FROM shop.wagon"


class Person:
    """Somebody whose client shows them pgwarden's questions; `types` is what they type next, None closes the form."""

    def __init__(self, stage: Stage) -> None:
        """Answer in front of the audience."""
        self._stage = stage
        self.types: str | None = None

    async def __call__(self, context: object, params: ElicitRequestParams) -> ElicitResult:
        """Show the question and the answer."""
        if self.types is None:
            self._stage.show(params.message, 14)
            self._stage.say("The person closes the form.")
            return ElicitResult(action="cancel")
        self._stage.say(f"The person types {self.types}")
        return ElicitResult(action="accept", content={"confirm_name": self.types})


async def tiers(stage: Stage, client: Client) -> None:
    """A change needs a yes, and what destroys needs a name. This client cannot ask a person.

    Raises:
        DemoError: Something was not as narrated.
    """
    stage.scene("The same shop with a role and a profile that may change it: a change needs a yes")
    before = text(await result(client, "run_query", {"sql": LEFT}))
    asked = await refused(
        stage, client, "a DELETE that nobody has agreed to", {"sql": DELETED}, "confirmation_required"
    )
    plan, send = asked["details"]["plan"], asked["details"]["send"]
    stage.say("The refusal is the plan, for the assistant to show and to ask about:")
    stage.show(f"{plan['rows']['matching']} rows match; more than {plan['rows']['limit']} would be refused")
    for key in plan["referenced_by"]:
        stage.show(f"{key['table']}: {key['referring']} rows refer to them, ON DELETE {key['on_delete']}")
    stage.show(f"to be sent after a yes: {json.dumps(send)}")
    check(plan["rows"]["matching"] == 100, "the rows that match are counted")
    check(
        {key["on_delete"]: key["referring"] for key in plan["referenced_by"]}["CASCADE"] == 250, "so is what goes along"
    )
    stage.say("A dry run does it, reports and rolls back:")
    tried = await shown(stage, client, "execute_sql", {"sql": DELETED, "dry_run": True})
    check("order_items (250 deleted)" in tried, "the dry run reports the real effect")
    check(text(await result(client, "run_query", {"sql": LEFT})) == before, "the dry run left everything")
    stage.say("The person says yes:")
    done = await shown(stage, client, "execute_sql", {"sql": DELETED, **send})
    check(done.startswith("DELETE 100"), "it is done")
    check(text(await result(client, "run_query", {"sql": LEFT})) != before, "the rows are gone")

    stage.scene("What destroys needs the exact name")
    near = {"sql": DROPPED, "confirm_name": "shop.Old_prices"}
    await refused(stage, client, "a DROP with almost the name", near, "confirm_name_mismatch")
    await shown(stage, client, "execute_sql", {"sql": DROPPED, "confirm_name": "shop.old_prices"})


async def rows(stage: Stage, client: Client) -> None:
    """A change without SQL, and putting it back.

    Raises:
        DemoError: Something was not as narrated.
    """
    stage.scene("Rows without SQL, and back again")
    before = text(await result(client, "run_query", {"sql": PRICE}))
    stage.say("Tools that are not listed at the start cost nothing until they are wanted:")
    for toolset in ("rows_read", "rows_write"):
        await shown(stage, client, "enable_toolset", {"toolset": toolset})
    await client.list_tools()
    change = {"table": "shop.products", "filter": {"id": 1}, "values": {"price": "0.01"}, "columns": ["name", "price"]}
    done = await shown(stage, client, "update_rows", {**change, "confirm": True})
    made = re.search(r"change (\w+)", done)
    check(made, "the change has an id")
    which = {"change_id": made[1] if made else ""}
    stage.say("What was there before is kept:")
    await shown(stage, client, "list_changes", which)
    await shown(stage, client, "undo_change", {**which, "confirm": True})
    check(text(await result(client, "run_query", {"sql": PRICE})) == before, "the price is the old one")


async def person(stage: Stage, client: Client, somebody: Person) -> None:
    """Where the client can ask, the person counts, whatever the assistant sends.

    Raises:
        DemoError: Something was not as narrated.
    """
    stage.scene("A client that can ask: the assistant sends the name by itself, and the person decides")
    alone = {"sql": EMPTIED, "confirm_name": "shop.reviews"}
    await refused(stage, client, "a DELETE of every row", alone, "confirmation_declined")
    stage.say("Once more, and now they have agreed:")
    somebody.types = "shop.reviews"
    done = await shown(stage, client, "execute_sql", alone)
    check(done.startswith("DELETE "), "it is done")


async def policy(stage: Stage, client: Client, rules: str) -> None:
    """Masked columns and hidden tables.

    Raises:
        DemoError: Something was not as narrated.
    """
    stage.scene("The policy file of that server")
    stage.show(rules)
    stage.say("E-mail addresses are masked, however they are asked for:")
    for sql in (MASKED, AS_JSON):
        answer = await shown(stage, client, "run_query", {"sql": sql})
        check("orders*****" in answer and "@" not in answer, "no address comes out")
    await refused(stage, client, "sorting by them, which would tell", {"sql": GUESSED}, "mask_violation")
    stage.say("The table wages, listed above, is not there any more; nor can it be told from one that never was:")
    tables = text(await result(client, "list_tables", {"schema": "shop"}))
    check("customers" in tables and "wages" not in tables, "list_tables does not name it")
    errors = [await refused(stage, client, sql, {"sql": sql}, "undefined_table") for sql in (HIDDEN, MISSING)]
    check(json.dumps(errors[0]).replace("wages", "wagon") == json.dumps(errors[1]), "both answers are alike")


async def refused(stage: Stage, client: Client, what: str, arguments: dict[str, Any], code: str) -> dict[str, Any]:
    """Make a call of execute_sql that must be refused, show that it was, and return the error."""
    answer = await client.call_tool("execute_sql", arguments)
    check(answer.is_error, f"{what} is refused")
    found = error(answer)
    check(found.get("code") == code, f"{what} is refused with {code}; it said {text(answer)}")
    stage.refused(what, found["code"], found["message"])
    return found
