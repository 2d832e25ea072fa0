"""config — cấu hình: one frozen settings object for a hub, one for a node.

TOML plus environment; unknown keys are errors; relative paths are relative to
the file. Units stand in the names.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from exchange.errors import ConfigError, WitnessesUndecided

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class HubSettings:
    """A hub. Environment overrides: VANTHU_DATABASE, VANTHU_SEAL_PASSWORD_FILE."""

    data: Path
    trust: Path
    tls_certificate: Path
    tls_ca: Path
    seal_key: Path
    log_key: Path
    database: str = ""  # "" is SQLite in the data folder
    blobs: Path | None = None
    high_water: Path | None = None  # keep it on another disk than the database
    seal_password_file: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8443
    origin: str = "hub.example.vn/custody/2026"
    verifier_workers: int = 2
    request_threads: int = 16
    max_package_bytes: int = 2 * 1024**3
    tsa_urls: tuple[str, ...] = ()
    retry_first_seconds: float = 5.0
    retry_longest_seconds: float = 600.0
    give_up_hours: float = 24.0
    evidence_relay_hours: float = 12.0  # no answer from the next system
    evidence_delivery_hours: float = 24.0
    evidence_retrieval_hours: float = 36.0
    evidence_decision_hours: float = 0.0  # neither accepted nor refused; 0: no time agreed
    evidence_warning_hours: float = 2.0  # before each; 0: none
    push_workers: int = 8
    witness_policy: Path | None = None  # C2SP tlog-policy: whose cosignatures make a head published; five of seven by default
    witnesses: str = ""  # "none": decided that nobody is asked; one of the two must be said before the hub serves
    log_key_second: Path | None = None  # the log's ML-DSA-44 key, for sealed heads
    publish_seconds: float = 1.0
    witness_timeout_seconds: float = 2.0
    auditors: tuple[str, ...] = ()  # agencies that may read every entry of the log
    hub_codes: tuple[str, ...] = ()  # codes under which directories name this hub as hub of record (centerCode)
    directory_signers: tuple[str, ...] = ()  # SHA-256 of certificates that may seal directory files, beside the hub's own
    connector_key: Path | None = None  # encrypts the agencies' shared secrets; the same for every hub process
    connector_window_seconds: float = 900.0  # how far a VXP call's own time may be from ours, where that counts
    connector_window_always: bool = False  # it counts for every call, not only for those with a nonce or window of their own
    patience_seconds: float = 30.0  # for the next piece of a body, and for 1 KB/s on the average from then on
    idle_seconds: float = 75.0  # a connection may rest, or take over one request's head, this long

    @property
    def database_url(self) -> str:
        """URL of the database."""
        return self.database or f"sqlite:///{self.data / 'hub.sqlite'}"

    def decide_witnesses(self) -> None:
        """Gate before serving: somebody said who witnesses the log, or that nobody does.

        Raises:
            WitnessesUndecided: neither was said. ConfigError: both, or something else than "none".
        """
        if self.witnesses not in ("", "none"):
            raise ConfigError('witnesses can only be "none"; who they are stands in the file of witness_policy', place="[hub] witnesses")
        if self.witnesses and self.witness_policy is not None:
            raise ConfigError('witnesses = "none" and a witness_policy contradict each other', place="[hub] witnesses")
        if not self.witnesses and self.witness_policy is None:
            raise WitnessesUndecided("missing key 'witness_policy'", place="[hub]")

    @property
    def blob_folder(self) -> Path:
        """Folder of the blobs."""
        return self.blobs or self.data / "blobs"

    @property
    def high_water_file(self) -> Path:
        """File of the last signed head."""
        return self.high_water or self.data / "high-water"

    @property
    def connector_key_file(self) -> Path:
        """File of the key that encrypts shared secrets."""
        return self.connector_key or self.data / "connectors.key"


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """An agency's node, and what its command line uses to reach the hub."""

    agency: str
    data: Path
    hub_url: str
    trust: Path
    tls_certificate: Path
    tls_ca: Path
    seal_key: Path
    name: str = ""
    other_codes: tuple[str, ...] = ()  # further codes of the agency in the directory (legacy, aliases), which its own systems may write
    seal_password_file: Path | None = None
    database: str = ""
    mode: str = "pull"  # "push": the hub delivers to this node
    host: str = "127.0.0.1"
    push_port: int = 0  # mutual TLS, for the hub; only with mode "push"
    local_port: int = 8900  # loopback, for the agency's own systems
    poll_wait_seconds: float = 25.0
    retry_first_seconds: float = 2.0
    retry_longest_seconds: float = 300.0
    auto_acknowledge: bool = True
    auto_recall: bool = True  # destroy recalled copies and answer by itself (QĐ 28/2018 Art 9.2); false: a clerk answers 15 or 16
    verifier_workers: int = 1
    witness_policy: Path | None = None  # C2SP tlog-policy: nothing counts as sent before these witnesses cosigned it
    witness_wait_seconds: float = 10.0
    witness_key: Path | None = None  # set with witness_port: this node is a witness
    witness_port: int = 0  # TLS, for logs and monitors
    witness_mark: Path | None = None  # keep it on another disk than the journal

    @property
    def witness_mark_file(self) -> Path:
        """File of the last cosignatures."""
        return self.witness_mark or self.data / "witness.mark"

    @property
    def database_url(self) -> str:
        """URL of the journal."""
        return self.database or f"sqlite:///{self.data / 'node.sqlite'}"


def load_hub(path: Path, environ: Mapping[str, str]) -> HubSettings:
    """Read ``[hub]`` of a TOML file.

    Raises:
        ConfigError: unreadable, unknown or missing key, wrong type.
    """
    return _load(HubSettings, path, "hub", environ)


def load_node(path: Path, environ: Mapping[str, str]) -> NodeSettings:
    """Read ``[node]`` of a TOML file.

    Raises:
        ConfigError: unreadable, unknown or missing key, wrong type.
    """
    return _load(NodeSettings, path, "node", environ)


def password(file: Path | None) -> bytes | None:
    """A key's password from its file, without the line end.

    Raises:
        ConfigError: the file cannot be read.
    """
    if file is None:
        return None
    try:
        return file.read_bytes().rstrip(b"\r\n")
    except OSError as error:
        raise ConfigError(str(error), place=str(file)) from error


def _load(kind: type[S], path: Path, section: str, environ: Mapping[str, str]) -> S:
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text())[section]
    except (OSError, tomllib.TOMLDecodeError, KeyError, UnicodeDecodeError) as error:
        raise ConfigError(f"{type(error).__name__}: {error}", place=str(path)) from error
    for name, key in (("VANTHU_DATABASE", "database"), ("VANTHU_SEAL_PASSWORD_FILE", "seal_password_file")):
        if environ.get(name):
            values[key] = environ[name]
    fields = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise ConfigError(f"unknown key {unknown[0]!r}", place=f"{path}: [{section}]")
    missing = [n for n, f in fields.items() if f.default is dataclasses.MISSING and n not in values]
    if missing:
        raise ConfigError(f"missing key {missing[0]!r}", place=f"{path}: [{section}]")
    return kind(**{name: _typed(str(fields[name].type), value, path, name) for name, value in values.items()})


def _typed(annotation: str, value: Any, path: Path, name: str) -> Any:
    expected: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float), "bool": (bool,)}
    if annotation.startswith("Path") and isinstance(value, str):
        return (path.parent / value).absolute()
    if annotation.startswith("tuple") and isinstance(value, list) and all(isinstance(v, str) for v in value):
        return tuple(value)
    kinds = expected.get(annotation, ())
    if isinstance(value, kinds) and (annotation == "bool" or not isinstance(value, bool)):
        return value
    raise ConfigError(f"{name} must be {annotation}", place=str(path))
