"""Idempotent requests (AIP-155): the first answer of a `request_id` is kept with the change, and given
again.
"""

import hashlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

from google.protobuf.message import Message
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from batch_service.tables import request_key
from service_kit.errors import invalid_field

Response = TypeVar("Response", bound=Message)


async def answered_once(
    connection: AsyncConnection,
    request: Message,
    response_type: type[Response],
    answer: Callable[[], Awaitable[Response]],
    *,
    fingerprint: bytes | None = None,
) -> Response:
    """What `answer` returns, or what it returned when the same request was made first.

    Call it inside the transaction of the change: the key is burnt only when that commits, so a refused
    request may be corrected and sent again. Of two concurrent requests with one key the second waits for the
    first. `fingerprint` stands for the request where it came in parts. DomainError REQUEST_ID_REUSED when the
    key came with another request.
    """
    client_no: int = request.client_no  # type: ignore[attr-defined]  # every such request has both fields
    request_id: str = request.request_id  # type: ignore[attr-defined]
    method = request.DESCRIPTOR.full_name
    digest = fingerprint or _fingerprint(request)
    first = await connection.execute(
        insert(request_key)
        .values(client_no=client_no, request_id=request_id, method=method, fingerprint=digest, response=b"")
        .on_conflict_do_nothing()
    )
    of_key = (request_key.c.client_no == client_no, request_key.c.request_id == request_id)
    if first.rowcount:
        response = await answer()
        await connection.execute(
            update(request_key).where(*of_key).values(response=response.SerializeToString())
        )
        return response
    known = (await connection.execute(select(request_key).where(*of_key))).one()
    if (known.method, known.fingerprint) != (method, digest):
        raise invalid_field(
            "request_id",
            f"{request_id!r} was used before with another request: give every request its own",
            "REQUEST_ID_REUSED",
        )
    return response_type.FromString(known.response)


def _fingerprint(request: Message) -> bytes:
    return hashlib.sha256(request.SerializeToString(deterministic=True)).digest()
