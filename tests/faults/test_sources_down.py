"""Revocation sources and time-stamp authorities that are down, slow, hostile, and back again: real sockets on loopback."""

from __future__ import annotations

import hashlib
import json
import os
import socketserver
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from exchange.demo_house import free_ports
from signing.dev_ocsp import Responder, respond
from signing.dev_ocsp import make_server as make_ocsp
from signing.dev_pki import make_pki, write_crls
from signing.dev_tsa import make_server as make_tsa
from signing.errors import TimestampUnavailable, TrustUnusable
from signing.fetch import FetchRefused, http_fetch
from signing.keys import open_key
from signing.sources import LONGEST_PAUSE, Fetch, Outcome, Sources, refresh
from signing.timestamps import http_timestamper, verify_token
from signing.trust import Trust
from tests.authorities import DAY, NOW, Authority, root

Route = Callable[[BaseHTTPRequestHandler], None]


class Place:
    """A web server on loopback whose answers can be changed; it counts what it was asked."""

    def __init__(self) -> None:
        self.routes: dict[str, Route] = {}
        self.asked: list[str] = []
        place = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                place.asked.append(self.path)
                place.routes.get(self.path, status(404))(self)

            do_POST = do_GET

            def log_message(self, format: str, *args: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def body(data: bytes) -> Route:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def status(code: int, **headers: str) -> Route:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


@pytest.fixture
def place() -> Iterator[Place]:
    one = Place()
    yield one
    one.close()


# The network itself.


def fetcher(place: Place, *prefixes: str, **limits: float) -> Fetch:
    allow = tuple(f"{place.url}{p}" for p in prefixes) or (f"{place.url}/",)
    return http_fetch(Sources(allow).allows, seconds=limits.get("seconds", 5.0), largest=int(limits.get("largest", 1 << 20)))


def test_an_answer(place: Place) -> None:
    place.routes["/a"] = body(b"data")
    assert fetcher(place)(f"{place.url}/a", None, "") == b"data" and fetcher(place)(f"{place.url}/a", b"question", "text/plain") == b"data"


def test_only_allowed_places_are_asked(place: Place) -> None:
    place.routes["/open/a"] = place.routes["/shut/a"] = body(b"data")
    fetch = fetcher(place, "/open/")
    assert fetch(f"{place.url}/open/a", None, "") == b"data"
    for url in (f"{place.url}/shut/a", f"{place.url}/open/../shut/a", f"{place.url}/open/%2e%2e/shut/a", "file:///etc/hostname", "http://127.0.0.1:9/open/a"):
        with pytest.raises(FetchRefused, match="allow-list"):
            fetch(url, None, "")
    assert place.asked == ["/open/a"]


def test_redirects_stay_inside(place: Place) -> None:
    other = Place()
    other.routes["/open/secret"] = body(b"secret")
    place.routes |= {
        "/open/in": status(302, Location="/open/a"),
        "/open/out": status(302, Location=f"{other.url}/open/secret"),
        "/open/up": status(302, Location="/shut"),
        "/open/file": status(302, Location="file:///etc/hostname"),
        "/open/loop": status(302, Location="/open/loop"),
        "/open/a": body(b"data"),
        "/shut": body(b"secret"),
    }
    fetch = fetcher(place, "/open/")
    assert fetch(f"{place.url}/open/in", None, "") == b"data"
    for path in ("out", "up", "file", "loop"):
        with pytest.raises(FetchRefused):
            fetch(f"{place.url}/open/{path}", None, "")
    with pytest.raises(FetchRefused):
        fetch(f"{place.url}/open/in", b"a question is not sent on", "text/plain")
    assert other.asked == [] and "/shut" not in place.asked and place.asked.count("/open/loop") == 4
    other.close()


def test_too_large_and_refusals(place: Place) -> None:
    place.routes |= {"/big": body(b"x" * 2000), "/no": status(500), "/none": status(204)}
    fetch = fetcher(place, largest=1000)
    for path in ("big", "no", "none", "missing"):
        with pytest.raises(FetchRefused):
            fetch(f"{place.url}/{path}", None, "")
    with pytest.raises(OSError):
        fetcher(place)(f"http://127.0.0.1:{free_ports(1)[0]}/", None, "")


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"])
def test_a_server_that_drips_does_not_hold_us(head: bytes) -> None:
    class Drip(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            try:
                self.request.sendall(head)
                for _ in range(400):
                    self.request.sendall(b"x")
                    time.sleep(0.05)
            except OSError:
                return

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Drip) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        start = time.monotonic()
        with pytest.raises(FetchRefused, match="too slow"):
            http_fetch(Sources((url,)).allows, seconds=0.4)(url, None, "")
        assert time.monotonic() - start < 10
        server.shutdown()


def test_no_proxy_from_the_environment(place: Place) -> None:
    place.routes["/a"] = body(b"data")
    before = os.environ.get("http_proxy")
    os.environ["http_proxy"] = f"http://127.0.0.1:{free_ports(1)[0]}"
    try:
        assert urllib.request.getproxies()["http"]
        assert fetcher(place)(f"{place.url}/a", None, "") == b"data"
    finally:
        os.environ.pop("http_proxy")
        if before is not None:
            os.environ["http_proxy"] = before


def test_a_proxy_that_was_configured(place: Place) -> None:
    place.routes["http://crl.example.vn/a"] = body(b"through the proxy")
    host, port = place.server.server_address[:2]
    fetch = http_fetch(Sources(("http://crl.example.vn/",)).allows, proxy=(str(host), int(port)))
    assert fetch("http://crl.example.vn/a", None, "") == b"through the proxy"


@pytest.mark.parametrize(
    ("prefix", "url", "allowed"),
    [
        ("http://crl.example.vn", "http://crl.example.vn/any", True),
        ("http://crl.example.vn/", "http://crl.example.vn:80/any?x=1", True),
        ("http://crl.example.vn/", "https://crl.example.vn/any", False),
        ("http://crl.example.vn/", "http://crl.example.vn.evil.example/any", False),
        ("http://crl.example.vn/", "http://crl.example.vn@evil.example/any", False),
        ("http://crl.example.vn/", "http://user:word@crl.example.vn/any", False),
        ("http://crl.example.vn/", "http://evil.example/http://crl.example.vn/", False),
        ("http://crl.example.vn/", "http://crl.example.vn:8080/any", False),
        ("http://crl.example.vn/", "http://CRL.example.vn/any", True),
        ("http://crl.example.vn/ca", "http://crl.example.vn/ca/a.crl", True),
        ("http://crl.example.vn/ca", "http://crl.example.vn/cat/a.crl", False),
        ("http://crl.example.vn/ca/", "http://crl.example.vn/ca/..%2fother", False),
        ("http://crl.example.vn/ca/", "http://crl.example.vn/ca/..\\other", False),
        ("http://crl.example.vn/", "http://crl.example.vn/a\r\nHost: evil", False),
        ("http://crl.example.vn/", "http://crl.example.vn:99999/", False),
        ("http://crl.example.vn/", "", False),
    ],
)
def test_the_allow_list(prefix: str, url: str, allowed: bool) -> None:
    assert Sources((prefix,)).allows(url) is allowed


@given(st.text(max_size=60))
def test_no_text_breaks_the_allow_list(text: str) -> None:
    assert Sources(("http://crl.example.vn/",)).allows(text) is False
    Sources(("http://crl.example.vn/",)).allows("http://crl.example.vn/" + text)


# Keeping CRLs.

ROOT = root()
SUB = ROOT.sub("CA cấp phát")
LEAF = SUB.leaf()


def trust_folder(folder: Path, place: Place, *, toml: str = "") -> Path:
    for name, authority in (("anchors/root.pem", ROOT), ("intermediates/sub.pem", SUB)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    (folder / "sources.toml").write_text(toml or f'allow = ["{place.url}/"]\ncrls = ["{place.url}/sub.crl"]\n')
    return folder


def go(folder: Path, place: Place, now: datetime = NOW) -> Outcome:
    (outcome,) = refresh(folder, fetcher(place), now)
    return outcome


def leaf_state(folder: Path, now: datetime = NOW) -> str:
    return Trust.load(folder).path(LEAF, [], at=now).revocations[0].state


def test_outage_at_start_and_recovery(place: Place, tmp_path: Path) -> None:
    """Down: said with a reason, not asked again at once, nothing breaks. Back: all is well by itself."""
    folder = trust_folder(tmp_path, place)
    down = go(folder, place)
    assert down.state == "failed" and down.again == NOW + timedelta(minutes=1)
    assert down.reason is not None and down.reason.code == "trust.source_down" and down.reason.place.endswith("/sub.crl")
    assert leaf_state(folder) == "unknown" and Trust.load(folder).path(LEAF, [], at=NOW).problem == ""
    place.routes["/sub.crl"] = body(SUB.crl())
    assert go(folder, place, NOW + timedelta(seconds=59)).state == "resting" and len(place.asked) == 1  # also after a restart: it is on disk
    assert go(folder, place, NOW + timedelta(minutes=1)).state == "fetched"
    assert leaf_state(folder) == "good"
    assert json.loads((folder / "cache" / "state.json").read_bytes()) == {}


def test_pauses_grow_and_end(place: Place, tmp_path: Path) -> None:
    folder, now, pauses = trust_folder(tmp_path, place), NOW, []
    for _ in range(12):
        outcome = go(folder, place, now)
        assert outcome.state == "failed" and outcome.again is not None
        pauses.append(outcome.again - now)
        now = outcome.again
    assert pauses[:4] == [timedelta(minutes=m) for m in (1, 2, 4, 8)] and pauses[-1] == LONGEST_PAUSE
    place.routes["/sub.crl"] = body(SUB.crl())
    # A clock set back by a year does not silence the source.
    assert go(folder, place, now - 365 * DAY).state == "failed"  # "issued in the future" for that clock
    assert go(folder, place, now + LONGEST_PAUSE).state == "fetched"


def test_renewed_at_three_quarters_of_its_life(place: Place, tmp_path: Path) -> None:
    folder = trust_folder(tmp_path, place)
    place.routes["/sub.crl"] = body(SUB.crl(this=NOW, following=NOW + 8 * DAY))
    assert go(folder, place).again == NOW + 6 * DAY
    assert go(folder, place, NOW + 6 * DAY - timedelta(seconds=1)).state == "fresh" and len(place.asked) == 1
    place.routes["/sub.crl"] = body(SUB.crl([(LEAF.serial_number, NOW + DAY, None)], this=NOW + 6 * DAY, following=NOW + 14 * DAY))
    assert go(folder, place, NOW + 6 * DAY).state == "fetched" and leaf_state(folder, NOW + 6 * DAY) == "revoked"


def test_an_outage_later_keeps_what_there_is(place: Place, tmp_path: Path) -> None:
    folder = trust_folder(tmp_path, place)
    place.routes["/sub.crl"] = body(SUB.crl(this=NOW, following=NOW + 8 * DAY))
    go(folder, place)
    place.routes.clear()
    assert go(folder, place, NOW + 7 * DAY).state == "failed" and leaf_state(folder, NOW + 7 * DAY) == "good"
    late = Trust.load(folder).path(LEAF, [], at=NOW + 9 * DAY).revocations[0]
    assert late.state == "unknown" and "out of date" in late.detail


@pytest.mark.parametrize("spoilt", [b"", b"junk", ROOT.crl(issuer=SUB.name), Authority(ROOT.key, SUB.certificate).crl()])
def test_a_spoilt_file_is_fetched_again(place: Place, tmp_path: Path, spoilt: bytes) -> None:
    folder = trust_folder(tmp_path, place)
    place.routes["/sub.crl"] = body(SUB.crl())
    go(folder, place)
    (kept,) = (folder / "cache" / "crls").iterdir()
    kept.write_bytes(spoilt)
    assert leaf_state(folder) == "unknown"
    assert go(folder, place, NOW + timedelta(minutes=1)).state == "fetched"
    assert leaf_state(folder) == "good"
    (folder / "cache" / "state.json").write_bytes(b"{spoilt")
    assert go(folder, place, NOW + timedelta(minutes=2)).state == "fresh"


@pytest.mark.parametrize(
    "data",
    [
        b"<html>not a list</html>",
        root("Người lạ").crl(),
        Authority(ROOT.key, SUB.certificate).crl(),
        SUB.crl(this=NOW - DAY, following=NOW - timedelta(hours=1)),
        SUB.crl(this=NOW + DAY),
        SUB.crl(this=NOW - 3 * DAY),
    ],
    ids=["html", "stranger", "forged", "stale", "future", "rollback"],
)
def test_what_is_no_good_is_not_kept(place: Place, tmp_path: Path, data: bytes) -> None:
    folder = trust_folder(tmp_path, place)
    good = SUB.crl(this=NOW - 2 * DAY, following=NOW + timedelta(hours=1))
    place.routes["/sub.crl"] = body(good)
    go(folder, place)
    place.routes["/sub.crl"] = body(data)
    outcome = go(folder, place, NOW + timedelta(minutes=1))
    assert outcome.state == "failed" and outcome.reason is not None and outcome.reason.code == "trust.source_invalid"
    (kept,) = (folder / "cache" / "crls").iterdir()
    assert kept.read_bytes() == good


def test_a_folder_that_cannot_be_written(place: Place, tmp_path: Path) -> None:
    """Our own trouble is not blamed on the source, and nothing half-written stays."""
    folder = trust_folder(tmp_path, place)
    place.routes["/sub.crl"] = body(SUB.crl())
    (folder / "cache").mkdir()
    (folder / "cache" / "crls").write_bytes(b"a file where a folder should be")
    with pytest.raises(TrustUnusable):
        go(folder, place)
    (folder / "cache" / "crls").unlink()
    assert go(folder, place).state == "fetched" and [p.name for p in (folder / "cache").rglob(".*")] == []


def test_addresses_in_certificates_only_when_allowed(place: Place, tmp_path: Path) -> None:
    """A certificate that names an inside address makes nobody ask there."""
    points = [x509.DistributionPoint([x509.UniformResourceIdentifier(f"{place.url}{path}")], None, None, None) for path in ("/pub/sub.crl", "/admin")]
    leaf = SUB.leaf(more=[(x509.CRLDistributionPoints(points), False)])
    folder = trust_folder(tmp_path, place, toml=f'allow = ["{place.url}/pub/"]')
    place.routes |= {"/pub/sub.crl": body(SUB.crl()), "/admin": body(SUB.crl())}
    allowed, refused = refresh(folder, http_fetch(lambda _: True), NOW, certificates=[leaf.public_bytes(Encoding.DER), b"junk"])
    assert (allowed.state, refused.state) == ("fetched", "refused") and place.asked == ["/pub/sub.crl"]
    assert refused.reason is not None and refused.reason.code == "trust.source_not_allowed"
    (folder / "sources.toml").unlink()
    assert [o.state for o in refresh(folder, http_fetch(lambda _: True), NOW, certificates=[leaf.public_bytes(Encoding.DER)])] == ["refused", "refused"]


@pytest.mark.parametrize("toml", ["allow = [1]", 'allow = ["ftp://crl.example.vn/"]', 'crl = ["http://crl.example.vn/"]', "allow = ["])
def test_sources_that_make_no_sense(place: Place, tmp_path: Path, toml: str) -> None:
    with pytest.raises(TrustUnusable):
        refresh(trust_folder(tmp_path, place, toml=toml), fetcher(place), NOW)


# OCSP by the development responder.


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    folder, port = tmp_path_factory.mktemp("pki"), free_ports(1)[0]
    url = f"http://127.0.0.1:{port}"
    make_pki(folder, now=NOW, agencies=[("A1", "Cơ quan (mô phỏng)")], persons=[], crl_url=url, ocsp_url=f"{url}/ocsp")
    server = make_ocsp("127.0.0.1", port, Responder.open(folder), clock=lambda: NOW)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield folder, url
    server.shutdown()
    server.server_close()


def test_ocsp_and_lists_from_the_development_responder(pki: tuple[Path, str], tmp_path: Path) -> None:
    folder, url = pki
    seal = open_key(folder / "agencies" / "A1" / "seal.pem")
    for name in ("anchors/root.pem", "intermediates/issuing.pem"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes((folder / "trust" / name).read_bytes())
    (tmp_path / "sources.toml").write_text(f'allow = ["{url}/"]')
    outcomes = refresh(tmp_path, http_fetch(Sources.load(tmp_path).allows), NOW, certificates=[seal.der])
    assert [(o.kind, o.state) for o in outcomes] == [("crl", "fetched"), ("crl", "fetched"), ("ocsp", "fetched")], outcomes
    found = Trust.load(tmp_path).path(seal.certificate, [], at=NOW)
    assert [(f.state, f.source) for f in found.revocations] == [("good", "OCSP"), ("good", "CRL"), ("good", "anchor")]
    again = refresh(tmp_path, http_fetch(Sources.load(tmp_path).allows), NOW, certificates=[seal.der])
    assert {o.state for o in again} == {"fresh"}
    write_crls(folder, now=NOW, revoked=[seal.certificate.serial_number])
    later = refresh(tmp_path, http_fetch(Sources.load(tmp_path).allows), NOW + timedelta(minutes=50), certificates=[seal.der])
    assert [o.state for o in later if o.kind == "ocsp"] == ["fetched"]
    assert Trust.load(tmp_path).path(seal.certificate, [], at=NOW).problem == "REVOKED"
    write_crls(folder, now=NOW)


def test_a_replayed_ocsp_answer_is_not_kept(pki: tuple[Path, str], tmp_path: Path) -> None:
    folder, url = pki
    seal = open_key(folder / "agencies" / "A1" / "seal.pem")
    recorded: list[bytes] = []

    def recording(asked: str, question: bytes | None, _: str) -> bytes:
        if question is None:
            raise OSError("down")
        recorded.append(respond(question, Responder.open(folder), now=NOW))
        return recorded[0]

    for name in ("anchors/root.pem", "intermediates/issuing.pem"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes((folder / "trust" / name).read_bytes())
    (tmp_path / "sources.toml").write_text(f'allow = ["{url}/"]')

    def state() -> str:
        return next(o.state for o in refresh(tmp_path, recording, NOW, certificates=[seal.der]) if o.kind == "ocsp")

    assert state() == "fetched"
    for path in (tmp_path / "cache" / "ocsps").iterdir():
        path.unlink()
    assert state() == "failed" and len(recorded) == 2


@given(st.binary(max_size=200))
def test_the_responder_answers_garbage_by_status(data: bytes) -> None:
    assert respond(data, Responder(SUB.key, SUB.certificate, ROOT.certificate, Path("/nowhere")), now=NOW)[:2] == b"\x30\x03"


# Two time-stamp authorities.


def test_time_stamps_with_one_authority_down(pki: tuple[Path, str]) -> None:
    folder, _ = pki
    trust = Trust.load(folder / "trust")
    digest = hashlib.sha256(b"exact bytes").digest()
    first_port, seconds = free_ports(1)[0], [0.0]
    second = make_tsa("127.0.0.1", 0, open_key(folder / "tsa" / "tsa2.pem"), clock=lambda: NOW)
    threading.Thread(target=second.serve_forever, args=(0.01,), daemon=True).start()
    urls = [f"http://127.0.0.1:{first_port}/", f"http://127.0.0.1:{second.server_address[1]}/"]
    asked: list[str] = []
    fetch = http_fetch(Sources(tuple(urls)).allows, seconds=2)

    def post(url: str, question: bytes, kind: str) -> bytes:
        asked.append(url)
        return fetch(url, question, kind)

    stamp = http_timestamper(urls, post, trust, clock=lambda: seconds[0])
    for _ in range(3):
        assert verify_token(stamp(digest), digest, trust) == NOW
    assert asked == [urls[0], urls[1], urls[1], urls[1]]  # the first one rests after its failure
    first = make_tsa("127.0.0.1", first_port, open_key(folder / "tsa" / "tsa.pem"), clock=lambda: NOW)
    threading.Thread(target=first.serve_forever, args=(0.01,), daemon=True).start()
    seconds[0], asked[:] = 1.5, []
    stamp(digest)
    assert asked == [urls[0]]  # back by itself
    for server in (first, second):
        server.shutdown()
        server.server_close()
    asked.clear()
    with pytest.raises(TimestampUnavailable) as both:
        stamp(digest)
    assert all(url in both.value.detail for url in urls) and asked == urls
    with pytest.raises(TimestampUnavailable, match="resting"):
        stamp(digest)
    assert asked == urls  # nobody waits for authorities that are known to be down
