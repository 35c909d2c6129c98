"""The server of the studio: what the page asks for, and what it is told.

Everything that takes long is done in a process or a thread; the page is answered at once.
"""

from __future__ import annotations

import asyncio
import json
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from ..errors import ImageError, UsageError
from ..files import reason
from ..settings.schema import json_schema
from ..settings.settings import LARGEST, SETTINGS
from .desk import MOST_PAINTINGS, Busy, Desk, describe
from .guard import Guard
from .uploads import MOST_BYTES, Refused, body, wish
from .wishes import NOT_FROM_A_PAGE, settings_from

__all__ = ["application"]

_PAGE = Path(__file__).parent / "page"
_UPLOADS = 2  # at once; others wait
_SLOWEST = 300.0  # seconds of an upload
_LISTENERS = 24  # pages that are open
_BREATH = 0.08  # seconds between two words to a page
_BEAT = 15.0  # seconds; so it is found when a page is gone
_PLAN = 120.0  # seconds, behind the draft that is being painted
_FILES = {"png": ("image/png", 8), "jpg": ("image/jpeg", 8), "tif": ("image/tiff", 16)}
_FRESH = {"cache-control": "no-store"}
_KEPT = {"cache-control": "private, max-age=86400"}

Handler = Callable[[Request], Awaitable[Response]]


class _Studio:
    """The desk, and the pages that look at it."""

    def __init__(self, folder: Path, debug: bool) -> None:
        self.desk = Desk(folder, self._changed)
        self.debug = debug
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listeners: set[asyncio.Event] = set()
        self._uploads = asyncio.Semaphore(_UPLOADS)
        self._reading = asyncio.Semaphore(1)  # pictures are decoded one after the other

    @asynccontextmanager
    async def living(self, _: object) -> AsyncIterator[None]:
        """From start to end; at its end no process is left."""
        self._loop = asyncio.get_running_loop()
        self.desk.open()
        try:
            yield
        finally:
            await asyncio.to_thread(self.desk.close)

    def _changed(self) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        for one in self._listeners:
            one.set()

    # --- What is told ---------------------------------------------------------------------------

    async def start(self, _: Request) -> Response:
        """All that a page has to know when it opens."""
        schema = json_schema()["properties"]
        settings = [
            {"name": name, "group": one.group, "help": one.help, **schema[name]}
            for name, one in SETTINGS.items()
            if name not in NOT_FROM_A_PAGE
        ]
        return JSONResponse(
            {
                "wall": await asyncio.to_thread(self.desk.wall),
                "photos": [self.desk.described(one) for one in self.desk.photos.values()],
                "works": self.desk.seen(),
                "settings": settings,
                "most_bytes": MOST_BYTES,
            },
            headers=_FRESH,
        )

    async def events(self, request: Request) -> Response:
        """How far works are, as often as they change (server-sent events)."""
        if len(self._listeners) >= _LISTENERS:
            raise Refused(503, "too many pages are open")
        woken = asyncio.Event()
        woken.set()
        tab = request.query_params.get("tab", "")[:64]

        async def told() -> AsyncIterator[str]:
            self._listeners.add(woken)  # here: one that is gone at once never begins
            self.desk.opened(tab)
            try:
                while not await request.is_disconnected():
                    try:
                        await asyncio.wait_for(woken.wait(), _BEAT)
                    except TimeoutError:
                        yield ":\n\n"
                        continue
                    woken.clear()
                    yield f"data: {json.dumps(self.desk.seen())}\n\n"
                    await asyncio.sleep(_BREATH)
            finally:
                self._listeners.discard(woken)
                self.desk.left(tab)

        return StreamingResponse(told(), media_type="text/event-stream", headers=_FRESH)

    # --- Pictures -------------------------------------------------------------------------------

    async def add_photo(self, request: Request) -> Response:
        """A photograph, as the body of the request."""
        photo = await self._read(request, self.desk.add_photo)
        return JSONResponse(self.desk.described(photo), 201)

    async def photo(self, request: Request) -> Response:
        """A photograph as the page shows it."""
        return _picture(self.desk.photos[request.path_params["key"]].shown)

    async def whole(self, request: Request) -> Response:
        """A photograph with all its pixels."""
        async with self._reading:
            return _picture(await asyncio.to_thread(self.desk.whole, request.path_params["key"]))

    async def add_painting(self, request: Request) -> Response:
        """An own painting, as the body of the request."""
        key = await self._read(request, self.desk.add_painting)
        return JSONResponse({"id": key, "own": True}, 201)

    async def painting(self, request: Request) -> Response:
        """A painting, small."""
        async with self._reading:
            data = await asyncio.to_thread(self.desk.thumb, request.path_params["key"])
        return _picture(data)

    async def remove_painting(self, request: Request) -> Response:
        """Take down an own painting."""
        await asyncio.to_thread(self.desk.remove_painting, request.path_params["key"])
        return Response(status_code=204)

    async def _read(self, request: Request, use: Callable[[bytes], Any]) -> Any:
        """Receive a file, and let it be read."""
        async with self._uploads:
            try:
                async with asyncio.timeout(_SLOWEST):
                    data = await body(request, MOST_BYTES)
            except TimeoutError:
                raise Refused(408, "the upload took too long") from None
            async with self._reading:
                return await asyncio.to_thread(use, data)

    # --- Works ----------------------------------------------------------------------------------

    async def add_work(self, request: Request) -> Response:
        """Have a picture painted: a draft at once, or a print in the queue."""
        asked = await wish(request)
        kind = asked.get("kind")
        if kind not in ("draft", "print"):
            raise Refused(400, "a work is a draft or a print")
        settings = settings_from(asked["settings"], draft=kind == "draft")
        work = await self._begin(kind, asked, settings)
        return JSONResponse(describe(work), 201)

    async def plan(self, request: Request) -> Response:
        """What sizes take, in seconds and bytes."""
        asked = await wish(request)
        sizes = asked.get("sizes")
        if not (isinstance(sizes, list) and 0 < len(sizes) <= 8):
            raise Refused(400, "one to eight sizes are planned")
        if not all(type(one) is int and 16 <= one <= LARGEST for one in sizes):
            raise Refused(400, f"sizes are whole numbers from 16 to {LARGEST}")
        work = await self._begin("plan", asked, settings_from(asked["settings"]), sizes)
        try:
            if not await asyncio.to_thread(work.ended.wait, _PLAN) or work.state == "stopped":
                raise Refused(503, "another question came first")
            if work.state == "failed":
                raise Refused(422, work.text)
        finally:
            with suppress(KeyError):
                self.desk.stop(work.id)
        return JSONResponse(work.result, headers=_FRESH)

    async def _begin(self, kind: Any, asked: dict[str, Any], settings: Any, sizes: Any = ()) -> Any:
        tab = str(asked.get("tab", ""))[:64]
        paintings = asked["paintings"]
        if not (isinstance(paintings, list) and 0 < len(paintings) <= MOST_PAINTINGS):
            raise Refused(400, f"a picture is painted after one to {MOST_PAINTINGS} paintings")
        return await asyncio.to_thread(
            lambda: self.desk.add_work(
                kind,
                photo=str(asked["photo"]),
                paintings=map(str, paintings),
                settings=settings,
                tab=tab,
                sizes=sizes,
            )
        )

    async def stop(self, request: Request) -> Response:
        """Stop a work, or forget it."""
        self.desk.stop(request.path_params["key"])
        return Response(status_code=204)

    async def keep(self, request: Request) -> Response:
        """End a work with what is painted so far."""
        self.desk.keep(request.path_params["key"])
        return Response(status_code=204)

    async def picture(self, request: Request) -> Response:
        """A work as far as it is."""
        picture = self.desk.works[request.path_params["key"]].picture
        if picture is None:
            raise KeyError
        return _picture(picture)

    async def download(self, request: Request) -> Response:
        """A finished work as a file, with its recipe."""
        work, kind = self.desk.works[request.path_params["key"]], request.path_params["kind"]
        if work.state != "done" or kind not in _FILES:
            raise KeyError
        media, bits = _FILES[kind]
        async with self._reading:
            data = await asyncio.to_thread(work.result.encode, f"picture.{kind}", bits=bits)
        headers = {**_FRESH, "content-disposition": "attachment"}
        return Response(data, media_type=media, headers=headers)

    # --- When something is wrong ----------------------------------------------------------------

    def answered(self, handler: Handler) -> Handler:
        """Errors as a line for the page."""

        async def answer(request: Request) -> Response:
            try:
                return await handler(request)
            except Exception as error:
                status, text = _said(error)
                if status == 500:
                    self._report(error)
                return JSONResponse({"error": text}, status, headers=_FRESH)

        return answer

    def _report(self, error: Exception) -> None:
        """In the terminal."""
        if self.debug:
            traceback.print_exception(error)
        else:
            print(f"minimalstyle: {type(error).__name__}: {reason(error)}", file=sys.stderr)


def application(
    folder: Path,
    port: int,
    token: str | None = None,
    name: str = "localhost",
    *,
    debug: bool = False,
) -> Guard:
    """The application, for a server of ASGI.

    Parameters
    ----------
    folder : Path
        Where own paintings are kept.
    port : int
        At which it is reached.
    token : str, optional
        What whoever asks has to know.
    name : str
        Under which it is reached, besides the usual ones.
    debug : bool
        Print tracebacks.
    """
    studio = _Studio(folder, debug)

    def route(path: str, handler: Handler, method: str = "GET") -> Route:
        return Route(path, studio.answered(handler), methods=[method])

    routes = [
        route("/api/start", studio.start),
        route("/api/events", studio.events),
        route("/api/photos", studio.add_photo, "POST"),
        route("/api/photos/{key}", studio.photo),
        route("/api/photos/{key}/whole", studio.whole),
        route("/api/paintings", studio.add_painting, "POST"),
        route("/api/paintings/{key}", studio.painting),
        route("/api/paintings/{key}", studio.remove_painting, "DELETE"),
        route("/api/plans", studio.plan, "POST"),
        route("/api/works", studio.add_work, "POST"),
        route("/api/works/{key}", studio.stop, "DELETE"),
        route("/api/works/{key}/keep", studio.keep, "POST"),
        route("/api/works/{key}/picture", studio.picture),
        route("/api/works/{key}/file.{kind}", studio.download),
        Mount("/", StaticFiles(directory=_PAGE, html=True)),
    ]
    app = Starlette(routes=routes, lifespan=studio.living)
    app.state.studio = studio
    return Guard(app, port, token, name)


def _picture(data: bytes) -> Response:
    """A JPEG or a WebP, which never changes."""
    kind = "image/jpeg" if data[:2] == b"\xff\xd8" else "image/webp"
    return Response(data, media_type=kind, headers=_KEPT)


def _said(error: Exception) -> tuple[int, str]:
    """Status and line for the page."""
    if isinstance(error, Refused):
        return error.status, str(error)
    if isinstance(error, ImageError):
        return 422, str(error).removeprefix("picture: ")
    answers: list[tuple[type[Exception], int, str]] = [
        (Busy, 429, str(error)),
        (KeyError, 404, "that is not here any more"),
        (UsageError, 400, str(error)),
        (ClientDisconnect, 400, "the upload ended early"),
        (Exception, 500, "something unexpected went wrong; the terminal says more"),
    ]
    return next((status, text) for kind, status, text in answers if isinstance(error, kind))
