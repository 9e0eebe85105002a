"""Asking the person behind an MCP client, in both eras of the protocol.

Up to 2025-11-25 the server asks within the call (`elicitation/create`), and the call waits. From 2026-07-28 on it may
not: the call ends with an `InputRequiredResult`, and the client repeats it with the answer and the state that it was
given. The SDK seals that state and binds it to the call's arguments; ours inside is a random name of one open question,
see `consent.Questions`.
"""

from __future__ import annotations

from typing import Any

import anyio
from mcp.server.mcpserver import Context as RequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult
from mcp_types.version import is_version_at_least
from pydantic import ValidationError

from pgwarden.consent import Asked, Asker, Question, Questions, Reply, stale

_RETURNS_QUESTIONS = "2026-07-28"
"""The first version of the protocol in which a question ends the call."""
_KEY = "consent"
"""The name of our one question in an InputRequiredResult."""


def asker(context: RequestContext[None, Any], questions: Questions, timeout_s: float) -> Asker:
    """Return the way to ask the person behind a request's client.

    Args:
        context: The request.
        questions: Open questions of this server.
        timeout_s: Seconds that the person has, where the call waits for them.
    """
    version = context.protocol_version
    if version is not None and is_version_at_least(version, _RETURNS_QUESTIONS):
        return _Repeated(context, questions)
    return _Within(context, timeout_s)


def input_required(asked: Asked) -> InputRequiredResult:
    """Return a question as the result of the call that it ends."""
    return InputRequiredResult(input_requests={_KEY: _request(asked.question)}, request_state=asked.state)


class _Within:
    """Asks within the call."""

    def __init__(self, context: RequestContext[None, Any], timeout_s: float) -> None:
        self._context = context
        self._timeout = timeout_s

    @property
    def available(self) -> bool:
        return _shows_forms(self._context) and self._context.session.can_send_request

    def answered(self, binding: str) -> Reply | None:
        return None

    async def ask(self, question: Question) -> Reply:
        session, request = self._context.session, self._context.request_id
        try:
            with anyio.move_on_after(self._timeout):
                result = await session.elicit_form(question.message, question.schema, related_request_id=request)
                return Reply(result.action, result.content)
        except (MCPError, ValidationError):
            return Reply("failed")
        return Reply("silence")


class _Repeated:
    """Asks by ending the call; the client repeats it with the answer."""

    def __init__(self, context: RequestContext[None, Any], questions: Questions) -> None:
        self._context = context
        self._questions = questions

    @property
    def available(self) -> bool:
        return _shows_forms(self._context) or self._brings_answer

    @property
    def _brings_answer(self) -> bool:
        return self._context.request_state is not None or self._context.input_responses is not None

    def answered(self, binding: str) -> Reply | None:
        if not self._brings_answer:
            return None
        if self._context.request_state is None:
            raise stale()
        self._questions.take(self._context.request_state, binding)
        responses = self._context.input_responses or {}
        if not responses:
            return Reply("silence")
        response = responses.get(_KEY)
        if not isinstance(response, ElicitResult):
            return Reply("failed")
        return Reply(response.action, response.content)

    async def ask(self, question: Question) -> Reply:
        raise Asked(question, self._questions.put(question.binding))


def _shows_forms(context: RequestContext[None, Any]) -> bool:
    """Whether the client says that it shows forms; a bare `{}`, older than the modes, means it does."""
    capabilities = context.client_capabilities
    elicitation = capabilities.elicitation if capabilities is not None else None
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)


def _request(question: Question) -> ElicitRequest:
    return ElicitRequest(params=ElicitRequestFormParams(message=question.message, requested_schema=question.schema))
