"""fetch — tải về: the standard library's HTTP, fenced in: allow-listed places, size, time, few redirects.

Nothing comes from the environment (no proxy unless one is given), no content encoding is
accepted, and a redirect must stay within the allow-list.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable
from urllib.parse import urljoin, urlsplit

from signing.sources import Fetch

LARGEST = 64 << 20  # bytes; national CRLs reach tens of MB
MOST_REDIRECTS = 3
_REDIRECTS = (301, 302, 303, 307, 308)


class FetchRefused(OSError):
    """The place is not allowed, or the answer broke a limit."""


def http_fetch(
    allows: Callable[[str], bool],
    *,
    seconds: float = 10.0,
    largest: int = LARGEST,
    proxy: tuple[str, int] | None = None,
) -> Fetch:
    """A `Fetch` over HTTP and HTTPS.

    Args:
        allows: says whether an address may be asked (`Sources.allows`); redirects are asked too.
        seconds: for the whole exchange, connecting and redirects included.
        largest: bytes of an answer.
        proxy: host and port of an HTTP proxy, if one must be used.

    The callable raises OSError: refused, unreachable, too slow, too large, or a status other than 200.
    """

    def fetch(url: str, body: bytes | None, content_type: str) -> bytes:
        end = time.monotonic() + seconds
        for _ in range(MOST_REDIRECTS + 1):
            if not allows(url):
                raise FetchRefused(f"not on the allow-list: {url[:200]}")
            status, location, data = _exchange(url, body, content_type, end, largest, proxy)
            if status == 200:
                return data
            # RFC 9110 15.4: an answer to a POST is not fetched again elsewhere.
            if status not in _REDIRECTS or body is not None or not location:
                raise FetchRefused(f"status {status}")
            url = urljoin(url, location)
        raise FetchRefused("too many redirects")

    return fetch


def _exchange(url: str, body: bytes | None, content_type: str, end: float, largest: int, proxy: tuple[str, int] | None) -> tuple[int, str, bytes]:
    left = end - time.monotonic()
    if left <= 0:
        raise FetchRefused("too slow")
    connection, target = _connection(url, left, proxy)
    headers = {"Accept-Encoding": "identity", "Connection": "close", "User-Agent": "vanthu"}
    if body is not None:
        headers["Content-Type"] = content_type
    late = threading.Event()
    watch: threading.Timer | None = None
    try:
        connection.connect()
        # A server that drips byte by byte never trips the socket's own time-out.
        watch = threading.Timer(max(0.0, end - time.monotonic()), _cut, (connection.sock, late))
        watch.daemon = True
        watch.start()
        connection.request("GET" if body is None else "POST", target, body, headers)
        answer = connection.getresponse()
        data = answer.read(largest + 1) if answer.status == 200 else b""
        if len(data) > largest:
            raise FetchRefused(f"larger than {largest} bytes")
        if late.is_set():
            raise FetchRefused("too slow")
        return answer.status, answer.getheader("Location", "") or "", data
    except FetchRefused:
        raise
    except (OSError, http.client.HTTPException, AttributeError, ValueError) as error:
        # A socket that was cut from outside shows in many ways; so does a server that stops talking.
        slow = late.is_set() or isinstance(error, TimeoutError)
        raise FetchRefused("too slow" if slow else f"{type(error).__name__}: {error}"[:200]) from error
    finally:
        if watch is not None:
            watch.cancel()
        connection.close()


def _connection(url: str, seconds: float, proxy: tuple[str, int] | None) -> tuple[http.client.HTTPConnection, str]:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    at = proxy or (host, port)
    if parts.scheme == "https":
        secure = http.client.HTTPSConnection(*at, timeout=seconds, context=ssl.create_default_context())
        if proxy is not None:
            secure.set_tunnel(host, port)
        return secure, target
    return http.client.HTTPConnection(*at, timeout=seconds), url if proxy is not None else target


def _cut(connected: socket.socket | None, late: threading.Event) -> None:
    late.set()
    if connected is not None:
        try:
            connected.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it ended by itself
