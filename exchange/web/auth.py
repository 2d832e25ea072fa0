"""auth — who calls: the TLS client certificate, looked up in the directory."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar

from aiohttp import web

from exchange.errors import NotAuthenticated
from exchange.hub import Hub

T = TypeVar("T")
HUB = web.AppKey("hub", Hub)
THREADS = web.AppKey("threads", Executor)


async def in_thread(request: web.Request, call: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Run a core call in the pool of request threads."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(request.app[THREADS], lambda: call(*args, **kwargs))


async def caller(request: web.Request) -> str:
    """Agency code of the caller, by the certificate of its connection.

    Raises:
        NotAuthenticated: no certificate, or one that the directory does not know.
    """
    transport = request.transport
    tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object") if transport is not None else None
    certificate = tls.getpeercert(binary_form=True) if tls is not None else None
    if not certificate:
        raise NotAuthenticated("no client certificate", place="TLS")
    return await in_thread(request, request.app[HUB].authenticate, certificate)
