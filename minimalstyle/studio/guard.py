"""Who may ask: this page alone, and, where others can reach it, who has the token.

A page from elsewhere that the same browser shows must neither post nor read (CSRF), also not under
a name of its own that leads to this computer (DNS rebinding).
"""

import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

__all__ = ["Guard"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_COOKIE = "minimalstyle-studio"
_SAFE = ("GET", "HEAD")
_HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' blob:; object-src 'none'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class Guard:
    """A layer of ASGI before the application.

    Parameters
    ----------
    app : ASGI application
    port : int
        At which it listens.
    token : str or None
        What whoever asks has to know; None where only this computer can reach it.
    name : str
        Of this computer, besides the usual ones.
    """

    def __init__(
        self, app: App, port: int, token: str | None = None, name: str = "localhost"
    ) -> None:
        self.app, self.token = app, token
        names = ("127.0.0.1", "localhost", "[::1]", name)
        self.hosts = {f"{name}:{port}" for name in names} | (set(names) if port == 80 else set())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # there are no web sockets here
            await send({"type": "websocket.close", "code": 1008})
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", ()), *added]}
            await send(message)

        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
        if self.token is not None and scope["path"] == "/" and self._is_token(given):
            await self._let_in(with_headers)
        elif not self._known(headers):
            words = "the address with the token opens this page" if self.token else "not from there"
            await _answer(with_headers, 403, words)
        elif not _same_origin(scope["method"], headers):
            await _answer(with_headers, 403, "only the page itself may ask")
        else:
            await self.app(scope, receive, with_headers)

    def _known(self, headers: dict[str, str]) -> bool:
        if self.token is None:
            return headers.get("host", "").lower() in self.hosts
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(_COOKIE)
        except CookieError:
            return False
        return cookie is not None and self._is_token(cookie.value)

    def _is_token(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(), (self.token or "").encode())

    async def _let_in(self, send: Send) -> None:
        """Keep the token in a cookie, and take it out of the address."""
        cookie = f"{_COOKIE}={self.token}; HttpOnly; SameSite=Lax; Path=/"
        headers = [(b"location", b"/"), (b"set-cookie", cookie.encode())]
        await _answer(send, 303, "", headers)


def _same_origin(method: str, headers: dict[str, str]) -> bool:
    """Whether it is our page that asks, or, to read, whoever typed the address."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if origin is not None and origin.lower() != f"http://{headers.get('host', '')}".lower():
        return False
    if method in _SAFE:
        asked = headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")
        if asked == ("navigate", "document"):
            return True  # a link that leads here; what it opens is ours
        return site in (None, "same-origin", "none")
    return site == "same-origin" or (site is None and origin is not None)


async def _answer(
    send: Send, status: int, text: str, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    plain = (b"content-type", b"text/plain; charset=utf-8")
    start = {"type": "http.response.start", "status": status, "headers": [plain, *(headers or [])]}
    await send(start)
    await send({"type": "http.response.body", "body": text.encode()})
