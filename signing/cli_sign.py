"""cli_sign — the verb sign."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal, cast

import click

from signing.cli_options import FILE, now
from signing.errors import SigningError
from signing.keys import open_key
from signing.report import Role
from signing.show import Screen, options, refused
from signing.sign_pdf import AGENCY_FIELD, PERSON_FIELD, Profile, sign_pdf
from signing.trust import Trust

Kind = Literal["document", "attachment", "copy"]


@click.command()
@click.argument("file", type=FILE)
@click.option("--key", "key_file", type=FILE, required=True, help="PKCS#12 or PEM file.")
@click.option("--password-file", type=FILE, help="Password of the key file.")
@click.option("--role", type=click.Choice(["person", "agency"]), required=True, help="Who signs.")
@click.option("--kind", type=click.Choice(["document", "attachment", "copy"]), default="document", show_default=True, help="What is signed.")
@click.option("--profile", type=click.Choice([p.value for p in Profile]), default="B-B", show_default=True, help="PAdES level.")
@click.option("--trust", "trust_folder", type=FILE, envvar="VANTHU_TRUST", help="Wanted for the agency's signature and for B-LT.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Where the signed file goes.")
@options
def sign(
    file: Path,
    key_file: Path,
    password_file: Path | None,
    role: str,
    kind: str,
    profile: str,
    trust_folder: Path | None,
    output: Path,
    screen: Screen,
) -> None:
    """Sign a PDF: the authorised person first, then the agency."""
    try:
        password = password_file.read_bytes().rstrip(b"\r\n") if password_file else None
        key = open_key(key_file, password=password)
        field = PERSON_FIELD if role == "person" else AGENCY_FIELD
        trust = Trust.load(trust_folder) if trust_folder else None
        sign_pdf(file, output, key, now=now(), role=Role(role), field=field, profile=Profile(profile), kind=cast(Kind, kind), trust=trust)
    except SigningError as error:
        sys.exit(refused(screen, error))
    screen.value({"file": str(output), "field": field, "signer": key.certificate.subject.rfc4514_string()})
    screen.say(f"Đã ký: {output}", f"Signed: {output}")
