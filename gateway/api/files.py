"""/v1/files: documents that a client uploads, each for its team alone."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

from gateway.api.access import CurrentCaller, CurrentGateway
from gateway.api.paging import ManyMore, Order, page
from gateway.errors import InvalidRequest, NotFound, TooLarge
from gateway.filing.types import StoredFile

router = APIRouter(prefix="/v1/files", tags=["openai"])

PATH = "/v1/files"
"""What is uploaded here may be larger than any other body: it goes to the disk as it comes."""
_PURPOSES = frozenset({"assistants", "batch", "fine-tune", "vision", "user_data", "evals"})
_FIELDS = 16_384  # bytes of the other fields, and of the headers of parts
_PIECE = 1 << 20
_SHORTEST, _LONGEST = 3_600, 2_592_000  # seconds that a file may be asked to live, as at OpenAI


@router.post("")
async def upload(
    request: Request, gateway: CurrentGateway, caller: CurrentCaller
) -> dict[str, Any]:
    """Upload a file: `multipart/form-data` with `file` and `purpose`."""
    most = gateway.config.files.max_file_bytes
    bounded = Request(request.scope, _bounded(request.receive, most))
    try:
        async with bounded.form(max_files=1, max_fields=8, max_part_size=_FIELDS) as form:
            given = form.get("file")
            if not isinstance(given, UploadFile):
                raise InvalidRequest("A file is needed, as multipart/form-data.", param="file")
            expires_in = _expires_in(form)
            kept = await gateway.files.add(
                caller.team, given.filename or "", _purpose(form), _pieces(given), expires_in
            )
    except MultiPartException as error:
        raise InvalidRequest(f"The body is not multipart/form-data: {error.message}") from error
    except ClientDisconnect as error:
        raise InvalidRequest("The upload was broken off.") from error
    return told(kept)


@router.get("")
async def files(
    gateway: CurrentGateway,
    caller: CurrentCaller,
    purpose: str | None = None,
    limit: ManyMore = 10_000,
    order: Order = "desc",
    after: str | None = None,
) -> dict[str, Any]:
    """The team's files."""
    found = await gateway.files.all(caller.team, purpose)
    return page(found, told, limit, order, after)


@router.get("/{name}")
async def file(name: str, gateway: CurrentGateway, caller: CurrentCaller) -> dict[str, Any]:
    """What is known of one."""
    return told(await gateway.files.one(caller.team, name))


@router.get("/{name}/content")
async def content(name: str, gateway: CurrentGateway, caller: CurrentCaller) -> FileResponse:
    """Its bytes. Never shown by a browser as a page of this address: anybody may have uploaded
    it."""
    kept = await gateway.files.one(caller.team, name)
    path = gateway.files.path(kept.id)
    if not path.is_file():
        raise NotFound(f"The bytes of '{name}' are gone.")
    disposition = f"attachment; filename*=utf-8''{quote(kept.filename, safe='')}"
    return FileResponse(
        path,
        media_type="application/octet-stream",
        headers={
            "content-disposition": disposition,
            "x-content-type-options": "nosniff",
            "content-security-policy": "sandbox",
        },
    )


@router.delete("/{name}")
async def delete(name: str, gateway: CurrentGateway, caller: CurrentCaller) -> dict[str, Any]:
    """Forget a file, and take it out of every store of vectors."""
    kept = await gateway.files.one(caller.team, name)
    await gateway.shelves.forget(caller.team, kept.id)
    await gateway.files.remove(caller.team, kept.id)
    return {"id": name, "object": "file", "deleted": True}


def told(kept: StoredFile) -> dict[str, Any]:
    """A file as OpenAI's clients know it."""
    return {
        "id": kept.id,
        "object": "file",
        "bytes": kept.size,
        "created_at": kept.created_at,
        "expires_at": kept.expires_at,
        "filename": kept.filename,
        "purpose": kept.purpose,
        "status": "processed",
        "status_details": None,
    }


def _purpose(form: FormData) -> str:
    purpose = form.get("purpose")
    if not isinstance(purpose, str) or purpose not in _PURPOSES:
        raise InvalidRequest(
            f"A purpose is needed, one of {', '.join(sorted(_PURPOSES))}.", param="purpose"
        )
    return purpose


def _expires_in(form: FormData) -> int | None:
    """Seconds, of `expires_after[anchor]` and `expires_after[seconds]`."""
    seconds = form.get("expires_after[seconds]")
    if seconds is None:
        return None
    if form.get("expires_after[anchor]") != "created_at":
        raise InvalidRequest("The anchor is created_at.", param="expires_after.anchor")
    number = int(seconds) if isinstance(seconds, str) and seconds.isdecimal() else 0
    if not _SHORTEST <= number <= _LONGEST:
        raise InvalidRequest(
            f"A number of seconds from {_SHORTEST} to {_LONGEST} is needed.",
            param="expires_after.seconds",
        )
    return number


async def _pieces(given: UploadFile) -> AsyncGenerator[bytes]:
    while piece := await given.read(_PIECE):
        yield piece


def _bounded(receive: Receive, most: int) -> Receive:
    """The same body, broken off where it is larger than a file with its fields may be."""
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > most + 8 * _FIELDS:
            raise TooLarge(f"The file has more than {most:,} bytes (files.max_file_bytes).")
        return message

    return counted
