"""Where the studio listens, and until when."""

from __future__ import annotations

import ipaddress
import secrets
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import uvicorn

from ..errors import UsageError
from ..files import reason
from .server import application

__all__ = ["serve"]

# Any address beyond this computer: those for documentation (RFC 5737, RFC 3849).
_ELSEWHERE = {"0.0.0.0": "192.0.2.1", "::": "2001:db8::1"}


def serve(
    host: str, port: int, folder: Path, *, ready: Callable[[str], object], debug: bool = False
) -> None:
    """Answer until the process is told to end.

    Parameters
    ----------
    host : str
        Of this computer alone, or another one: then the address has a token.
    port : int
        0 for one that is free.
    folder : Path
        Where own paintings are kept.
    ready : callable
        Told the address once it is open.
    debug : bool
        Print tracebacks.

    Raises
    ------
    UsageError
        Nothing can listen there.
    """
    listening = _listening(host, port)
    port = listening.getsockname()[1]
    token = None if _is_loopback(host) else secrets.token_urlsafe(24)
    name = _reached_at(host)
    name = f"[{name}]" if ":" in name else name
    address = f"http://{name}:{port}/" + (f"?token={token}" if token else "")
    config = uvicorn.Config(
        application(folder, port, token, name, debug=debug),
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,  # pages listen for ever
        timeout_keep_alive=30,
        limit_concurrency=200,
    )
    threading.Thread(target=ready, args=(address,), daemon=True).start()
    with listening:
        uvicorn.Server(config).run(sockets=[listening])


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        found = socket.create_server((host, port), family=family, backlog=128)
    except (OSError, OverflowError) as error:
        raise UsageError(f"{host}, port {port}: cannot be listened at: {reason(error)}") from None
    return found


def _reached_at(host: str) -> str:
    """Where others find this computer, if it listens at all of its addresses."""
    if host not in _ELSEWHERE:
        return host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.connect((_ELSEWHERE[host], 9))  # nothing is sent
        return str(asking.getsockname()[0])
    return host


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
