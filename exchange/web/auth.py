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
ON_BEHALF = "Vanthu-Agency"
HUB = web.AppKey("hub", Hub)
THREADS = web.AppKey("threads", Executor)


async def in_thread(request: web.Request, call: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Run a core call in the pool of request threads."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(request.app[THREADS], lambda: call(*args, **kwargs))


async def caller(request: web.Request) -> str:
    """Agency code of the caller, by the certificate of its connection. A gateway names the agency
    that it acts for in the header Vanthu-Agency; the call is then that agency's.

    Raises:
        NotAuthenticated: no certificate, or one that the directory does not know.
        NotServed: the directory does not name the caller as that agency's gateway.
    """
    transport = request.transport
    tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object") if transport is not None else None
    certificate = tls.getpeercert(binary_form=True) if tls is not None else None
    if not certificate:
        raise NotAuthenticated("no client certificate", place="TLS")
    code = await in_thread(request, request.app[HUB].authenticate, certificate)
    wanted = request.headers.get(ON_BEHALF, "")
    return await in_thread(request, request.app[HUB].acting_for, code, wanted) if wanted and wanted != code else code
