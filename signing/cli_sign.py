"""cli_sign — the verbs that write signatures: sign, timestamp, sign-prepare, sign-complete."""

from __future__ import annotations

import base64
import binascii
import getpass
import hashlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import click
from cryptography import x509

from signing import evidence
from signing.cli_looks import Shows, shows, warn
from signing.cli_options import FILE, now
from signing.errors import DeferredMismatch, KeyUnusable, SigningError
from signing.fetch import http_fetch
from signing.key_use import record
from signing.keys import Holder, Scheme, SigningKey, issuers_of, open_key
from signing.pkcs11_keys import open_pkcs11, read_pin
from signing.report import Role
from signing.show import Screen, options, refused
from signing.sign_pdf import AGENCY_FIELD, PERSON_FIELD, Kind, Profile, Waiting, complete, prepare, renew, sign_pdf
from signing.timestamps import http_timestamper
from signing.trust import Trust
from signing.which_files import EVIDENCE

F = TypeVar("F", bound=Callable[..., Any])
_OUT = click.Path(path_type=Path)
TRUST = click.option("--trust", "trust_folder", type=FILE, envvar="VANTHU_TRUST", help="Trust folder; the certificate is checked with it before signing.")
TSA = click.option("--tsa", "tsa_urls", multiple=True, envvar="VANTHU_TSA", metavar="URL", help="Time-stamp authority; more than one: tried in turn.")
PROFILE = click.option("--profile", type=click.Choice([p.value for p in Profile]), default="B-B", show_default=True, help="PAdES level.")
OUTPUT = click.option("-o", "--output", type=_OUT, help="Where the result goes.")
IN_PLACE = click.option("--in-place", is_flag=True, help="Replace FILE by the result.")


def _what(command: F) -> F:
    """What is signed, and what the signature says."""
    for option in (
        click.option("--location", default="", help="Place of signing."),
        click.option("--reason", default="", help="Reason for signing."),
        click.option("--scheme", type=click.Choice(["pss", "pkcs1v15"]), default="pss", show_default=True, help="How an RSA key signs."),
        click.option("--field", default="", help="Field to fill; by default NguoiKy or CoQuan."),
        click.option("--kind", type=click.Choice(["document", "attachment", "copy"]), default="document", show_default=True, help="What is signed."),
        click.option("--role", type=click.Choice(["person", "agency"]), required=True, help="Who signs."),
    ):
        command = option(command)
    return command


def _who(command: F) -> F:
    """Which key."""
    for option in (
        click.option("--key-log", type=_OUT, envvar="VANTHU_KEY_LOG", help="Record every use of the key in this file."),
        click.option("--pin-file", type=FILE, help="File with the device's PIN; else the variable VANTHU_PIN."),
        click.option("--key-label", default="", help="Label of the key in the device; not needed for the only one."),
        click.option("--token", default="", help="Label of the device."),
        click.option("--pkcs11", "module", type=FILE, help="PKCS#11 library of a key device."),
        click.option("--password-file", type=FILE, help="Password of the key file."),
        click.option("--key", "key_file", type=FILE, help="PKCS#12 or PEM file; with --pkcs11 a PEM file with certificates the device lacks."),
    ):
        command = option(command)
    return command


def _open(key_file: Path | None, password_file: Path | None, module: Path | None, token: str, key_label: str, pin_file: Path | None) -> SigningKey:
    if module is not None:
        if not token:
            raise click.UsageError("--pkcs11 wants --token")
        return open_pkcs11(module, token=token, key_label=key_label, pin=read_pin(pin_file), certificates=_certificates(key_file) if key_file else ())
    if key_file is None:
        raise click.UsageError("--key or --pkcs11 is wanted")
    try:
        password = password_file.read_bytes().rstrip(b"\r\n") if password_file else None
    except OSError as error:
        raise KeyUnusable(str(error), place=str(password_file)) from error
    return open_key(key_file, password=password)


def _certificates(file: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError) as error:
        raise KeyUnusable(f"certificates: {error}"[:200], place=str(file)) from error


def _stamper(urls: Sequence[str], trust: Trust | None) -> Callable[[bytes], bytes] | None:
    """The time-stamp authorities named on the command line; no other place is asked."""
    if not urls:
        return None
    if trust is None:
        raise click.UsageError("--tsa wants --trust")
    return http_timestamper(urls, http_fetch(lambda url: url in urls), trust, now=now)


def _check_profile(profile: str, urls: Sequence[str]) -> None:
    if profile != Profile.B_B and not urls:
        raise click.UsageError(f"--profile {profile} wants --tsa")


def _target(file: Path, output: Path | None, in_place: bool) -> Path:
    if (output is None) == (not in_place):
        raise click.UsageError("either -o or --in-place is wanted")
    return output or file


def _field(field: str, role: str) -> str:
    return field or (PERSON_FIELD if role == Role.PERSON else AGENCY_FIELD)


def _unchecked(screen: Screen, trust: Trust | None) -> None:
    if trust is None:
        screen.err.print(
            screen.word(
                "Chưa kiểm tra tình trạng và đường dẫn tin cậy của chứng thư: không có --trust.",
                "The certificate's status and path were not checked: no --trust.",
            )
        )


@click.command()
@click.argument("file", type=FILE)
@_who
@_what
@shows
@PROFILE
@TSA
@TRUST
@OUTPUT
@IN_PLACE
@options
def sign(
    file: Path,
    key_file: Path | None,
    password_file: Path | None,
    module: Path | None,
    token: str,
    key_label: str,
    pin_file: Path | None,
    key_log: Path | None,
    role: str,
    kind: str,
    field: str,
    scheme: str,
    reason: str,
    location: str,
    profile: str,
    tsa_urls: tuple[str, ...],
    trust_folder: Path | None,
    output: Path | None,
    in_place: bool,
    shown: Shows,
    screen: Screen,
) -> None:
    """Sign a PDF: the authorised person first, then the agency."""
    target, name, moment = _target(file, output, in_place), _field(field, role), now()
    _check_profile(profile, tsa_urls)
    try:
        trust = Trust.load(trust_folder) if trust_folder else None
        key = _open(key_file, password_file, module, token, key_label, pin_file)
        _unchecked(screen, trust)
        look = shown.look(file, role, kind, moment)
        found = shown.warnings(file, kind, look)
        warn(screen, found)
        _record(key_log, key, file, name)
        sign_pdf(
            file,
            target,
            key,
            now=moment,
            role=Role(role),
            field=name,
            profile=Profile(profile),
            kind=cast(Kind, kind),
            trust=trust,
            timestamp=_stamper(tsa_urls, trust),
            scheme=Scheme(scheme),
            reason=reason,
            location=location,
            appearance=look.appearance if look else None,
            boxes=look.boxes if look else None,
        )
    except SigningError as error:
        sys.exit(refused(screen, error))
    except OSError as error:
        sys.exit(refused(screen, SigningError(f"{error.strerror}", place=str(target))))
    said = {"file": str(target), "field": name, "signer": key.certificate.subject.rfc4514_string()}
    screen.value({**said, "font": look.appearance.font if look else "", "warnings": found})
    screen.say(f"Đã ký: {target}", f"Signed: {target}")


def _record(log: Path | None, holder: Holder, file: Path, field: str) -> None:
    if log is not None:
        with file.open("rb") as handle:
            sha256 = hashlib.file_digest(handle, "sha256").hexdigest()
        record(log, holder, who=getpass.getuser(), document=file.name, sha256=sha256, field=field, now=now())


@click.command()
@click.argument("file", type=FILE)
@TSA
@TRUST
@click.option("--bare", is_flag=True, help="The time-stamp alone, without validation data.")
@OUTPUT
@IN_PLACE
@options
def timestamp(file: Path, tsa_urls: tuple[str, ...], trust_folder: Path | None, bare: bool, output: Path | None, in_place: bool, screen: Screen) -> None:
    """Add fresh validation data and a time-stamp to a signed PDF (B-LTA) or an evidence file (.asice); again renews it."""
    target = _target(file, output, in_place)
    if not tsa_urls or trust_folder is None:
        raise click.UsageError("--tsa and --trust are wanted")
    try:
        trust = Trust.load(trust_folder)
        stamp = _stamper(tsa_urls, trust)
        assert stamp is not None
        if file.suffix.lower() in EVIDENCE:
            evidence.renew(file, target, trust=trust, timestamp=stamp, now=now())
        else:
            renew(file, target, trust=trust, timestamp=stamp, now=now(), data=not bare)
    except SigningError as error:
        sys.exit(refused(screen, error))
    except OSError as error:
        sys.exit(refused(screen, SigningError(f"{error.strerror}", place=str(target))))
    screen.value({"file": str(target)})
    screen.say(f"Đã gia hạn bằng dấu thời gian: {target}", f"Renewed with a time-stamp: {target}")


@click.command("sign-prepare")
@click.argument("file", type=FILE)
@click.option("--certificate", type=FILE, required=True, help="PEM file: the signer's certificate first, then its issuers.")
@_what
@shows
@TRUST
@click.option("-o", "--output", type=_OUT, required=True, help="Where the waiting file goes.")
@click.option("--state", "state_file", type=_OUT, required=True, help="Where the state (JSON) goes: what is to be signed, and how.")
@options
def sign_prepare(
    file: Path,
    certificate: Path,
    role: str,
    kind: str,
    field: str,
    scheme: str,
    reason: str,
    location: str,
    trust_folder: Path | None,
    output: Path,
    state_file: Path,
    shown: Shows,
    screen: Screen,
) -> None:
    """Prepare a PDF for a key that is elsewhere; the state says what it must sign."""
    moment = now()
    try:
        trust = Trust.load(trust_folder) if trust_folder else None
        held = _certificates(certificate)
        if not held:
            raise KeyUnusable("no certificate", place=str(certificate))
        _unchecked(screen, trust)
        look = shown.look(file, role, kind, moment)
        warn(screen, shown.warnings(file, kind, look))
        state = prepare(
            file,
            output,
            Holder(held[0], issuers_of(held[0], held[1:])),
            now=moment,
            role=Role(role),
            field=_field(field, role),
            kind=cast(Kind, kind),
            trust=trust,
            scheme=Scheme(scheme),
            reason=reason,
            location=location,
            appearance=look.appearance if look else None,
            boxes=look.boxes if look else None,
        )
        state_file.write_text(state.to_json())
    except SigningError as error:
        sys.exit(refused(screen, error))
    except OSError as error:
        sys.exit(refused(screen, SigningError(f"{error.strerror}", place=str(error.filename or output))))
    screen.value({"file": str(output), "state": str(state_file), "scheme": state.scheme, "digest": state.digest, "to_sign_digest": state.to_sign_digest})
    screen.say(
        f"Chờ chữ ký ({state.scheme}, {state.digest}): {state.to_sign_digest}",
        f"Waiting for a signature ({state.scheme}, {state.digest}): {state.to_sign_digest}",
    )


@click.command("sign-complete")
@click.argument("file", type=FILE)
@click.option("--state", "state_file", type=FILE, required=True, help="The state that sign-prepare wrote.")
@click.option("--signature", "signature_file", type=FILE, required=True, help="The signature value: bytes, or base64 text.")
@PROFILE
@TSA
@TRUST
@click.option("-o", "--output", type=_OUT, required=True, help="Where the signed file goes.")
@options
def sign_complete(
    file: Path,
    state_file: Path,
    signature_file: Path,
    profile: str,
    tsa_urls: tuple[str, ...],
    trust_folder: Path | None,
    output: Path,
    screen: Screen,
) -> None:
    """Put the signature value into the waiting FILE, after checking that both belong together."""
    _check_profile(profile, tsa_urls)
    try:
        state = Waiting.from_json(state_file.read_text())
        value = _value(signature_file.read_bytes())
    except SigningError as error:
        sys.exit(refused(screen, error))
    except (OSError, UnicodeDecodeError) as error:
        sys.exit(refused(screen, DeferredMismatch(str(error), place=str(state_file))))
    try:
        trust = Trust.load(trust_folder) if trust_folder else None
        complete(file, state, value, output, now=now(), profile=Profile(profile), trust=trust, timestamp=_stamper(tsa_urls, trust))
    except SigningError as error:
        sys.exit(refused(screen, error))
    except OSError as error:
        sys.exit(refused(screen, SigningError(f"{error.strerror}", place=str(output))))
    screen.value({"file": str(output), "field": state.field})
    screen.say(f"Đã ký: {output}", f"Signed: {output}")


def _value(data: bytes) -> bytes:
    """A signature value given as bytes or as base64 text."""
    try:
        return base64.b64decode(b"".join(data.split()), validate=True)
    except binascii.Error:
        return data
