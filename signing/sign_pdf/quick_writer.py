"""quick_writer — the update that places a signature into a regular PDF, written directly.

Only the common shape: no form, or a form of signature fields alone. Everything unusual
raises `Unusual` and goes to pyHanko. The first signature declares all fields and certifies
the form-filling level (ISO 32000-2 12.8.2.2, P = 2); a later one fills a declared field.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from signing.errors import FieldRefused
from signing.sign_pdf.appearance import drawn_in
from signing.sign_pdf.increment import Increment, Raw, serialised, text
from signing.sign_pdf.plan import INVISIBLE, VIETNAM, Plan
from signing.verify_pdf.pdf_file import PdfFile
from signing.verify_pdf.pdf_objects import Ref, Unusual

PRINTED_AND_LOCKED = 132  # annotation flags Print and Locked (12.5.3)
SIGNATURES_AND_APPEND_ONLY = 3  # SigFlags (12.7.3)
DEEPEST_TREE = 32
_SIGNATURE = b"/Type /Sig /Filter /Adobe.PPKLite /SubFilter /ETSI.CAdES.detached"
_CERTIFIES = b"/Reference [<< /Type /SigRef /TransformMethod /DocMDP /TransformParams << /Type /TransformParams /P 2 /V /1.2 >> >>]"


def place(pdf: PdfFile, plan: Plan) -> Increment:
    """The update for `plan`, with a hole for the signature.

    Raises:
        Unusual: not the common shape.
        FieldRefused: it may not be signed there.
    """
    increment = Increment(pdf)
    root = increment.newest.trailer[b"Root"]
    if not isinstance(root, Ref):
        raise Unusual("no catalog")
    catalog = increment.dictionary(root)
    form, fields = _form(increment, catalog)
    value = increment.new()
    filled = [name for name, (_, field) in fields.items() if field.get(b"V") is not None]
    if filled:
        _fill(increment, catalog, fields, plan, value)
    else:
        _declare(increment, root, catalog, form, fields, plan, value)
    increment.put_signature(value, _entries(plan, certify=not filled), plan.room)
    return increment


def pdf_time(moment: datetime) -> bytes:
    """A date (7.9.4) in Vietnam's time."""
    at = moment.astimezone(VIETNAM)
    return b"D:%04d%02d%02d%02d%02d%02d+07'00'" % (at.year, at.month, at.day, at.hour, at.minute, at.second)


def _entries(plan: Plan, *, certify: bool) -> bytes:
    """What the signature dictionary says besides its range and value."""
    entries = [_SIGNATURE, b"/M (" + pdf_time(plan.now) + b")"]
    for key, said in ((b"/Name ", plan.signer), (b"/Reason ", plan.reason), (b"/Location ", plan.location)):
        if said:
            entries.append(key + serialised(text(said)))
    if certify:
        entries.append(_CERTIFIES)
    return b" ".join(entries)


def _form(increment: Increment, catalog: dict[bytes, Any]) -> tuple[dict[bytes, Any], dict[str, tuple[Ref, dict[bytes, Any]]]]:
    """The form and its fields by name; only signature fields without kids."""
    if catalog.get(b"AcroForm") is None:
        return {}, {}
    form = increment.dictionary(catalog[b"AcroForm"])
    listed = increment.value(form.get(b"Fields")) or []
    if b"XFA" in form or form.get(b"NeedAppearances") or not isinstance(listed, list):
        raise Unusual("form")
    fields: dict[str, tuple[Ref, dict[bytes, Any]]] = {}
    for ref in listed:
        field = increment.dictionary(ref)
        name = increment.value(field.get(b"T"))
        odd = {b"Kids", b"Lock", b"SV", b"Parent"} & field.keys()
        if not isinstance(ref, Ref) or field.get(b"FT") != b"Sig" or not isinstance(name, bytes) or odd:
            raise Unusual("field")
        plain = _plain(name)
        if plain in fields:
            raise Unusual("two fields of one name")
        fields[plain] = (ref, field)
    return form, fields


def _plain(raw: bytes) -> str:
    return raw[2:].decode("utf-16-be") if raw.startswith(b"\xfe\xff") else raw.decode("latin-1")


def _fill(increment: Increment, catalog: dict[bytes, Any], fields: dict[str, tuple[Ref, dict[bytes, Any]]], plan: Plan, value: Ref) -> None:
    """A later signature: only its own, declared field changes."""
    name = plan.field
    if name not in fields:
        raise FieldRefused("the document is signed and has no empty field of that name", place=name)
    ref, field = fields[name]
    if field.get(b"V") is not None:
        raise FieldRefused("the field is filled", place=name)
    for _, other in fields.values():
        if other.get(b"V") is not None:
            _check_rules(increment, other[b"V"])
    if set(increment.dictionary(catalog.get(b"Perms") or {})) - {b"DocMDP"}:
        raise Unusual("permissions")
    increment.put(ref, _signed(increment, field, plan, value))


def _signed(increment: Increment, field: dict[bytes, Any], plan: Plan, value: Ref) -> dict[bytes, Any]:
    """The field with its signature and, when one is wanted, with what it shows."""
    field = {**field, b"V": value}
    return field if plan.appearance is None else {**field, b"AP": {b"N": drawn_in(increment, field, plan.appearance)}}


def _look(increment: Increment, widget: dict[bytes, Any], plan: Plan) -> bytes:
    """The entry that makes a new field show what it is to show."""
    return b"" if plan.appearance is None else b" /AP << /N %d %d R >>" % drawn_in(increment, widget, plan.appearance)


def _check_rules(increment: Increment, signature: object) -> None:
    """What an earlier signature allows."""
    for reference in increment.value(increment.dictionary(signature).get(b"Reference")) or []:
        rule = increment.dictionary(reference)
        if rule.get(b"TransformMethod") != b"DocMDP":
            raise Unusual("another rule than DocMDP")
        if increment.dictionary(rule.get(b"TransformParams") or {}).get(b"P", 2) == 1:
            raise FieldRefused("the document is certified against any change")


def _declare(
    increment: Increment,
    root: Ref,
    catalog: dict[bytes, Any],
    form: dict[bytes, Any],
    fields: dict[str, tuple[Ref, dict[bytes, Any]]],
    plan: Plan,
    value: Ref,
) -> None:
    """A first signature: every field comes into being, and the document is certified."""
    if catalog.get(b"Perms") is not None:
        raise Unusual("permissions without a signature")
    listed = list(increment.value(form.get(b"Fields")) or [])
    pages: dict[int, Ref] = {}
    added: dict[Ref, list[Ref]] = {}
    for name in plan.declare:
        if name in fields:
            if name == plan.field:
                ref, field = fields[name]
                increment.put(ref, _signed(increment, field, plan, value))
            continue
        ref = increment.new()
        box = plan.box(name)
        if box.page not in pages:
            pages[box.page] = _page(increment, catalog, box.page)
        page = pages[box.page]
        widget = b"<< /FT /Sig /Type /Annot /Subtype /Widget /F %d /T %s /Rect %s /P %d %d R" % (
            PRINTED_AND_LOCKED,
            serialised(text(name)),
            serialised(list(box.rect)) if box is not INVISIBLE else b"[0 0 0 0]",
            *page,
        )
        if name == plan.field:
            widget += b" /V %d %d R" % value + _look(increment, {b"Rect": list(box.rect), b"P": page}, plan)
        increment.put(ref, Raw(widget + b" >>"))
        added.setdefault(page, []).append(ref)
        listed.append(ref)
    for page, widgets in added.items():
        _annotate(increment, page, widgets)
    form_ref = catalog.get(b"AcroForm")
    if not isinstance(form_ref, Ref):
        form_ref = increment.new()
    increment.put(form_ref, {**form, b"Fields": listed, b"SigFlags": SIGNATURES_AND_APPEND_ONLY})
    increment.extend(root, catalog, {b"AcroForm": form_ref, b"Perms": {b"DocMDP": value}})


def _annotate(increment: Increment, page: Ref, added: list[Ref]) -> None:
    """The page lists its new annotations, in the array it has or a new one."""
    content = increment.dictionary(page)
    annotations = content.get(b"Annots")
    listed = increment.value(annotations)
    if listed is not None and not isinstance(listed, list):
        raise Unusual("annotations")
    both = [*(listed or []), *added]
    if isinstance(annotations, Ref) and listed is not None:
        increment.put(annotations, both)
    else:
        increment.extend(page, content, {b"Annots": both})


def _page(increment: Increment, catalog: dict[bytes, Any], number: int) -> Ref:
    """The page with that number, from 1; -1 is the last."""
    ref = catalog.get(b"Pages")
    node = increment.dictionary(ref)
    total = node.get(b"Count")
    if type(total) is not int or not 1 <= abs(number) <= total:
        raise FieldRefused(f"the document has no page {number}" if type(total) is int else "pages are not counted")
    skip = number - 1 if number > 0 else total + number
    for _ in range(DEEPEST_TREE):
        for kid in increment.value(node.get(b"Kids")) or []:
            below = increment.dictionary(kid)
            leaf = below.get(b"Type") == b"Page"
            count = 1 if leaf else below.get(b"Count")
            if type(count) is not int or not isinstance(kid, Ref):
                raise Unusual("page tree")
            if skip < count:
                break
            skip -= count
        else:
            raise Unusual("page tree")
        if leaf:
            return kid
        node = below
    raise Unusual("page tree is too deep")
