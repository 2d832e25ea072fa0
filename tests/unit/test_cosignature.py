"""Cosignatures and witness policies: what they accept, and that neither can be talked into counting wrong."""

from __future__ import annotations

import base64
import struct
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from signing.checkpoint import Checkpoint, LogKey, build_proof, is_later_year, parse_note, verify_note
from signing.cosignature import CosignerKey, Kind, add_lines, make_keys, message, read_vkey, save_keys, verify_cosignatures
from signing.errors import CheckpointInvalid, KeyUnusable, PolicyUnusable, ProofInvalid, QuorumMissing, SignerUnknown
from signing.merkle import leaf_hash
from signing.witness_policy import check_witnessed_proof, default_threshold, load_policy, parse_policy, policy_text

ORIGIN = "log.example.vn/2026"
AT = datetime(2026, 11, 24, 8, 0, 0, tzinfo=UTC)
LOG = LogKey.generate(ORIGIN)
SECOND = CosignerKey.generate(ORIGIN, Kind.ML_DSA_44)
WITNESSES = [make_keys(f"w{n}.example.vn") for n in range(7)]
NOTE = LOG.sign_note(ORIGIN, 3, bytes(range(32)))
HEAD = parse_note(NOTE)


def cosigned(*numbers: int, note: str = NOTE) -> str:
    return add_lines(note, [WITNESSES[n][0].cosign(parse_note(note), at=AT) for n in numbers])


def policy(count: int = 7, threshold: int | None = None) -> str:
    return policy_text([(LOG.vkey(), "")], [(f"w{n}", WITNESSES[n][0].vkey(), "") for n in range(count)], threshold)


@pytest.mark.parametrize("kind", list(Kind))
def test_a_cosignature_holds_and_gives_its_time(kind: Kind) -> None:
    key = CosignerKey.generate("w.example.vn", kind)
    (found,) = verify_cosignatures(add_lines(NOTE, [key.cosign(HEAD, at=AT)]), [key.vkey()])
    assert (found.name, found.kind, found.at, found.vkey) == ("w.example.vn", kind, AT, key.vkey())
    assert verify_cosignatures(NOTE, [key.vkey()]) == ()


def test_the_example_of_the_specification_has_our_form() -> None:
    """tlog-cosignature: the two messages, byte for byte."""
    head = Checkpoint("example.com/behind-the-sofa", 20852163, base64.b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="), "")
    body = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    assert message(Kind.ED25519, "w", head, body, 1679315147) == b"cosignature/v1\ntime 1679315147\n" + body.encode()
    wanted = b"subtree/v1\n\0" + b"\x01w" + struct.pack(">Q", 1679315147) + b"\x1b" + head.origin.encode() + struct.pack(">QQ", 0, 20852163) + head.root
    assert message(Kind.ML_DSA_44, "w", head, body, 1679315147) == wanted


def test_keys_survive_their_file(tmp_path: Path) -> None:
    keys = make_keys("w.example.vn")
    save_keys(tmp_path / "witness.key", keys)
    assert [k.vkey() for k in CosignerKey.load_all(tmp_path / "witness.key")] == [k.vkey() for k in keys]
    assert (tmp_path / "witness.key").stat().st_mode & 0o077 == 0
    assert len(read_vkey(keys[1].vkey()).public) == 1312
    (tmp_path / "bad.key").write_text("w.example.vn RSA AAAA\n")
    with pytest.raises(KeyUnusable):
        CosignerKey.load_all(tmp_path / "bad.key")
    with pytest.raises(KeyUnusable):
        CosignerKey.generate("a b")
    assert base64.b64encode(b"x").decode() not in repr(keys[0])


@settings(max_examples=120)
@given(st.sampled_from(list(Kind)), st.integers(0, 10**6), st.integers(1, 255))
def test_no_changed_byte_of_a_cosigned_note_counts(kind: Kind, where: int, change: int) -> None:
    """Whatever byte is changed: refused, or the cosignature is no longer counted, or the head is the same."""
    key = WITNESSES[0][kind is Kind.ML_DSA_44]
    note = add_lines(NOTE, [key.cosign(HEAD, at=AT)])
    data = bytearray(note.encode())
    data[where % len(data)] ^= change
    try:
        changed = data.decode()
        found = verify_cosignatures(changed, [key.vkey()])
        head = parse_note(changed)
    except (CheckpointInvalid, UnicodeDecodeError):
        return
    assert not found or (head.origin, head.size, head.root) == (HEAD.origin, HEAD.size, HEAD.root)


@settings(max_examples=200)
@given(st.text(max_size=300))
def test_any_text_is_a_note_or_is_refused(text: str) -> None:
    for candidate in (text, text + "\n\n" + NOTE.rpartition("\n\n")[2], NOTE + text):
        try:
            parse_note(candidate)
            verify_cosignatures(candidate, [WITNESSES[0][0].vkey()])
        except CheckpointInvalid:
            continue


@settings(max_examples=100)
@given(st.text(max_size=200))
def test_any_text_is_a_policy_or_is_refused(text: str) -> None:
    for candidate in (text, policy(2) + text, text + policy(2)):
        try:
            parse_policy(candidate.encode("utf-8", "surrogatepass"))
        except PolicyUnusable:
            continue


def test_quorums() -> None:
    assert [default_threshold(n) for n in (1, 2, 3, 4, 5, 6, 7)] == [1, 2, 2, 3, 4, 4, 5]
    five = parse_policy(policy())
    assert five.check(cosigned(0, 2, 3, 4, 6)).present == ("w0", "w2", "w3", "w4", "w6")
    with pytest.raises(QuorumMissing, match="missing: w4, w5, w6"):
        five.check(cosigned(0, 1, 2, 3))
    assert five.judge(NOTE).satisfied is False
    assert parse_policy(policy_text([(LOG.vkey(), "")], [])).check(NOTE).satisfied
    assert five.judge(cosigned(0, 1, 2, 3, 4)).times == (AT,) * 5


def test_groups_of_groups() -> None:
    names = {f"w{n}": WITNESSES[n][0].vkey() for n in range(5)}
    lines = [f"log {LOG.vkey()}", *(f"witness {n} {v}" for n, v in names.items())]
    lines += ["group x 2 w0 w1 w2", "# the other house", "\tgroup  y any w3 w4 ", "group both all x y", "quorum both"]
    both = parse_policy("\n".join(lines))
    assert both.check(cosigned(0, 2, 4)).satisfied
    for few in ((0, 1, 2), (0, 3, 4), ()):
        with pytest.raises(QuorumMissing):
            both.check(cosigned(*few))


def test_a_quorum_is_not_fooled() -> None:
    two = parse_policy(policy(3))
    # The same key again: the note is refused; with another time likewise.
    again = add_lines(cosigned(0), [WITNESSES[0][0].cosign(HEAD, at=AT.replace(hour=9))])
    with pytest.raises(CheckpointInvalid, match="repeated"):
        two.check(again)
    # Unknown keys count nothing, also under a known name.
    impostor = CosignerKey("w1.example.vn", Ed25519PrivateKey.generate())
    with pytest.raises(QuorumMissing):
        two.check(add_lines(cosigned(0), [impostor.cosign(HEAD, at=AT), WITNESSES[5][0].cosign(HEAD, at=AT)]))
    # A cosignature of another head is not one of this.
    other = parse_note(LOG.sign_note(ORIGIN, 4, bytes(32)))
    with pytest.raises(CheckpointInvalid, match="does not hold"):
        two.check(add_lines(cosigned(0), [WITNESSES[1][0].cosign(other, at=AT)]))
    # The log's own line does not replace a witness, and witnesses do not replace the log.
    stranger = LogKey.generate(ORIGIN)
    with pytest.raises(SignerUnknown):
        two.check(cosigned(0, 1, note=stranger.sign_note(ORIGIN, 3, bytes(range(32)))))
    # An Ed25519 key used as type 0x06 or 0x01 is another key.
    with pytest.raises(QuorumMissing):
        two.check(add_lines(cosigned(0), [WITNESSES[1][1].cosign(HEAD, at=AT)]))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda t: t.replace("quorum witnesses\n", ""),
        lambda t: t + "quorum witnesses\n",
        lambda t: t.replace("quorum witnesses", "quorum nobody"),
        lambda t: t.replace("group witnesses 2", "group witnesses 4"),
        lambda t: t.replace("group witnesses 2", "group witnesses 0"),
        lambda t: t.replace("group witnesses 2", "group witnesses 02"),
        lambda t: t.replace("w0 w1 w2\n", "w0 w1 w1\n"),
        lambda t: t.replace("w0 w1 w2\n", "w0 w1 w9\n"),
        lambda t: t.replace("w0 w1 w2\n", "w0 w1 none\n"),
        lambda t: t.replace("witness w1", "witness w0"),
        lambda t: t.replace("witness w1", "witness none"),
        lambda t: t.replace(WITNESSES[1][0].vkey(), WITNESSES[0][0].vkey()),
        lambda t: t.replace(WITNESSES[1][0].vkey(), CosignerKey("x.example.vn", WITNESSES[0][0]._private).vkey()),
        lambda t: t.replace(WITNESSES[1][0].vkey(), LOG.vkey()),
        lambda t: t.replace(LOG.vkey(), WITNESSES[1][0].vkey()),
        lambda t: t.replace("+", "+0", 1),
        lambda t: t + "log " + LOG.vkey() + "\n",
        lambda t: t + "cosigner x\n",
        lambda t: t + "\x07\n",
        lambda t: t + "\r\n",
        lambda t: t.replace("log ", "log a b c "),
    ],
)
def test_spoilt_policies(spoil: object, tmp_path: Path) -> None:
    file = tmp_path / "policy.txt"
    file.write_text(policy(3))
    assert load_policy(file).quorum == "witnesses"
    file.write_text(spoil(policy(3)))  # type: ignore[operator]
    with pytest.raises(PolicyUnusable):
        load_policy(file)


def test_a_policy_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PolicyUnusable):
        load_policy(tmp_path / "no")


def test_the_second_key_of_the_log() -> None:
    """An ML-DSA-44 line of the log counts as its signature, for whoever trusts that key."""
    both = add_lines(NOTE, [SECOND.cosign(HEAD, at=AT)])
    alone = NOTE.rpartition("\n\n")[0] + "\n\n" + SECOND.cosign(HEAD, at=AT)
    trusting = parse_policy(policy_text([(SECOND.vkey(), "")], []))
    assert trusting.check(both).checkpoint.size == 3
    assert trusting.check(alone).checkpoint.size == 3
    with pytest.raises(SignerUnknown):
        trusting.check(NOTE)
    with pytest.raises(SignerUnknown):
        parse_policy(policy_text([(LOG.vkey(), "")], [])).check(alone)


def test_a_proof_with_its_witnesses() -> None:
    note = LOG.sign_note(ORIGIN, 1, leaf_hash(b"leaf"))
    two = parse_policy(policy(3))
    text = build_proof(0, [], cosigned(0, 2, note=note))
    assert check_witnessed_proof(text, b"leaf", two)[1].present == ("w0", "w2")
    with pytest.raises(ProofInvalid):
        check_witnessed_proof(text, b"other", two)
    with pytest.raises(QuorumMissing):
        check_witnessed_proof(build_proof(0, [], cosigned(1, note=note)), b"leaf", two)


def test_sixteen_and_more_signatures_are_read() -> None:
    """signed-note: verifiers must accept at least 16."""
    keys = [CosignerKey.generate(f"x{n}.example.vn") for n in range(40)]
    note = add_lines(NOTE, [k.cosign(HEAD, at=AT) for k in keys])
    assert len(verify_cosignatures(note, [k.vkey() for k in keys])) == 40
    with pytest.raises(CheckpointInvalid):
        verify_cosignatures(add_lines(note, [k.cosign(HEAD, at=AT.replace(hour=1)) for k in keys]), [])


@pytest.mark.parametrize("seconds", [0, 2**63, 2**64 - 1])
def test_times_that_cannot_be(seconds: int) -> None:
    key, _ = WITNESSES[0]
    body = NOTE.partition("\n\n")[0] + "\n"
    signature = key._private.sign(message(Kind.ED25519, key.name, HEAD, body, seconds))
    line = f"— {key.name} {base64.b64encode(read_vkey(key.vkey()).key_id + struct.pack('>Q', seconds) + signature).decode()}\n"
    with pytest.raises(CheckpointInvalid, match="time"):
        verify_cosignatures(NOTE + line, [key.vkey()])


def test_a_yearly_log_goes_on_under_its_next_name() -> None:
    """The same key, the same log, a later year: nothing else is let through by that rule."""
    assert is_later_year("log.example.vn/2026", "log.example.vn/2027")
    for other in ("log.example.vn/2026", "log.example.vn/2025", "log.example.vn/2027-2", "lag.example.vn/2027", "log.example.vn/x/2027", "2027", "/2027"):
        assert not is_later_year("log.example.vn/2026", other)
    later = "log.example.vn/2027"
    root = bytes(range(32))
    note = LOG.under(later).sign_note(later, 1, root)
    assert verify_note(note, [LOG.vkey()]).origin == later
    with pytest.raises(SignerUnknown):
        verify_note(LogKey.generate(later).sign_note(later, 1, root), [LOG.vkey()])
    with pytest.raises(SignerUnknown):
        verify_note(LOG.under("log.example.vn/2026-2").sign_note("log.example.vn/2026-2", 1, root), [LOG.vkey()])
    with pytest.raises(CheckpointInvalid):
        verify_note(note.replace("\n1\n", "\n2\n"), [LOG.vkey()])
    assert parse_policy(policy(3)).check(cosigned(0, 1, note=note)).satisfied
    head = parse_note(note)
    alone = note.rpartition("\n\n")[0] + "\n\n" + SECOND.under(later).cosign(head, at=AT)
    assert parse_policy(policy_text([(SECOND.vkey(), "")], [])).check(alone).checkpoint.origin == later
