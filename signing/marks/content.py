"""content — a small interpreter of content streams: which text and images an appearance shows, where, how large, in which colour.

Only what an appearance of a signature uses (ISO 32000-2 clauses 8.4, 9.4). Everything is
bounded, because the stream may be hostile: bytes, operators, depth, letters.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from signing.marks.letters import Unreadable, decode
from signing.marks.values import Form, FormFont, FormImage, Matrix, Rect
from signing.presentation import rgb_colour

MOST_BYTES = 512 * 1024
MOST_OPERATORS = 50_000
MOST_LETTERS = 8_000
MOST_NESTED = 6
MOST_STATES = 64
LEAST_SIZE = 2.0  # points; what is smaller nobody reads
_DELIMITER = rb"[\0\t\n\x0c\r ()<>\[\]{}/%]"
_TOKEN = re.compile(
    rb"(?:[\0\t\n\x0c\r ]++|%[^\r\n]*+)*+"  # possessive: no backtracking into white space
    rb"(?:(?P<num>[+-]?(?:\d{1,12}(?:\.\d{0,20})?|\.\d{1,20}))(?=" + _DELIMITER + rb"|\Z)"
    rb"|/(?P<name>[^\0\t\n\x0c\r ()<>\[\]{}/%]{0,127})|(?P<dict><<|>>)|<(?P<hex>[0-9A-Fa-f\0\t\n\x0c\r ]*)>|(?P<str>\()"
    rb"|(?P<open>\[)|(?P<close>\])|(?P<op>[A-Za-z'\"][A-Za-z0-9*]{0,20})|(?P<end>\Z))"
)
_INLINE_END = re.compile(rb"[\0\t\n\x0c\r ]EI(?=" + _DELIMITER + rb"|\Z)")
_ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\x0c"}
_STRING = re.compile(rb"[^()\\]+|\\([0-7]{1,3})|\\(\r\n|\r|\n)|\\(.)|(\()|(\))", re.DOTALL)
_SPACE_BY = -180  # in 1/1000 em: a gap in TJ that people see as a space

Operand = float | bytes | str | list["float | bytes"]


@dataclass(frozen=True, slots=True)
class Run:
    """Text shown by one operator: origin and size in the outer space, in its units."""

    text: str
    x: float
    y: float
    size: float
    slant: float
    turn: tuple[float, float]
    font: str
    colour: str
    joined: bool


@dataclass(frozen=True, slots=True)
class Placed:
    """An image as drawn: its corners' bounding box in the outer space."""

    image: FormImage
    box: Rect


@dataclass(slots=True)
class _State:
    ctm: Matrix
    colour: str = "black"
    font: FormFont | None = None
    size: float = 0.0
    leading: float = 0.0
    rise: float = 0.0
    mode: int = 0


@dataclass(slots=True)
class Seen:
    """What was found in a form and those it draws."""

    runs: list[Run]
    images: list[Placed]
    hidden: bool = False
    letters: int = 0
    operators: int = 0
    bytes_read: int = 0


def times(a: Matrix, b: Matrix) -> Matrix:
    """The matrix that applies `a`, then `b`."""
    return (
        a[0] * b[0] + a[1] * b[2],
        a[0] * b[1] + a[1] * b[3],
        a[2] * b[0] + a[3] * b[2],
        a[2] * b[1] + a[3] * b[3],
        a[4] * b[0] + a[5] * b[2] + b[4],
        a[4] * b[1] + a[5] * b[3] + b[5],
    )


def bounds(rect: Rect, matrix: Matrix) -> Rect:
    """The bounding box of `rect` under `matrix`."""
    corners = [(x * matrix[0] + y * matrix[2] + matrix[4], x * matrix[1] + y * matrix[3] + matrix[5]) for x in rect[::2] for y in rect[1::2]]
    xs, ys = [c[0] for c in corners], [c[1] for c in corners]
    return min(xs), min(ys), max(xs), max(ys)


def look(form: Form, outer: Matrix) -> Seen:
    """Everything that `form` shows, in the space that `outer` leads to.

    Raises:
        Unreadable, ValueError and kin: a stream that is not regular or beyond the limits.
    """
    seen = Seen([], [])
    _walk(form, outer, seen, 0)
    return seen


def _walk(form: Form, outer: Matrix, seen: Seen, depth: int) -> None:
    seen.bytes_read += len(form.content)
    if depth > MOST_NESTED or seen.bytes_read > MOST_BYTES:
        raise Unreadable("forms nested too deep or too large")
    _Interpreter(form, outer, seen, depth).run()


class _Interpreter:
    """One pass over one content stream."""

    def __init__(self, form: Form, outer: Matrix, seen: Seen, depth: int) -> None:
        self.form, self.seen, self.depth = form, seen, depth
        self.clip = bounds(form.bbox, outer)
        self.state = _State(outer)
        self.saved: list[_State] = []
        self.tm: Matrix = (1, 0, 0, 1, 0, 0)
        self.line: Matrix = self.tm
        self.moved = True

    def run(self) -> None:
        """Interpret the stream."""
        data, at, operands = self.form.content, 0, list[Operand]()
        while True:
            match = _TOKEN.match(data, at)
            if match is None:
                raise Unreadable(f"content stream at byte {at}")
            at, kind = match.end(), match.lastgroup
            if kind == "end":
                return
            if kind == "op":
                name = match["op"]
                if name == b"BI":
                    at = self._skip_inline(data, at)
                else:
                    self._operate(name, operands)
                operands = []
                continue
            value, at = _operand(data, match, at)
            if value is not None:
                operands.append(value)
            if len(operands) > 64:
                raise Unreadable("too many operands")

    def _operate(self, name: bytes, operands: list[Operand]) -> None:
        self.seen.operators += 1
        if self.seen.operators > MOST_OPERATORS:
            raise Unreadable("too many operators")
        action = _ACTIONS.get(name)
        if action is not None:
            action(self, operands)

    def _skip_inline(self, data: bytes, at: int) -> int:
        end = _INLINE_END.search(data, at)
        if end is None:
            raise Unreadable("an inline image without its end")
        return end.end()

    def save(self, _: list[Operand]) -> None:
        """q"""
        if len(self.saved) >= MOST_STATES:
            raise Unreadable("too many saved states")
        now = self.state
        self.saved.append(_State(now.ctm, now.colour, now.font, now.size, now.leading, now.rise, now.mode))

    def restore(self, _: list[Operand]) -> None:
        """Q"""
        if self.saved:
            self.state = self.saved.pop()

    def concat(self, operands: list[Operand]) -> None:
        """cm"""
        self.state.ctm = times(_matrix(operands), self.state.ctm)

    def draw(self, operands: list[Operand]) -> None:
        """Do"""
        name = str(operands[0])
        if name in self.form.images:
            box = bounds((0, 0, 1, 1), self.state.ctm)
            if _meets(box, self.clip):
                self.seen.images.append(Placed(self.form.images[name], box))
        elif name in self.form.forms:
            inner = self.form.forms[name]
            _walk(inner, times(inner.matrix, self.state.ctm), self.seen, self.depth + 1)

    def begin(self, _: list[Operand]) -> None:
        """BT"""
        self.tm = self.line = (1, 0, 0, 1, 0, 0)
        self.moved = True

    def font(self, operands: list[Operand]) -> None:
        """Tf"""
        self.state.font, self.state.size = self.form.fonts.get(str(operands[0])), _float(operands[1])

    def leading(self, operands: list[Operand]) -> None:
        """TL"""
        self.state.leading = _float(operands[0])

    def rise(self, operands: list[Operand]) -> None:
        """Ts"""
        self.state.rise = _float(operands[0])

    def mode(self, operands: list[Operand]) -> None:
        """Tr"""
        self.state.mode = int(_float(operands[0]))

    def matrix(self, operands: list[Operand]) -> None:
        """Tm"""
        self.tm = self.line = _matrix(operands)
        self.moved = True

    def move(self, operands: list[Operand]) -> None:
        """Td"""
        self.line = self.tm = times((1, 0, 0, 1, _float(operands[0]), _float(operands[1])), self.line)
        self.moved = True

    def move_leading(self, operands: list[Operand]) -> None:
        """TD"""
        self.state.leading = -_float(operands[1])
        self.move(operands)

    def next_line(self, _: list[Operand]) -> None:
        """T*"""
        self.move([0.0, -self.state.leading])

    def show(self, operands: list[Operand]) -> None:
        """Tj"""
        if isinstance(operands[-1], bytes):
            self._show(operands[-1])

    def show_line(self, operands: list[Operand]) -> None:
        """' and ": the string is the last operand."""
        self.next_line(operands)
        self.show(operands)

    def show_array(self, operands: list[Operand]) -> None:
        """TJ"""
        if isinstance(operands[0], list):
            for item in operands[0]:
                if isinstance(item, bytes):
                    self._show(item)
                elif item <= _SPACE_BY and not self.moved:
                    self._emit(" ")

    def _show(self, data: bytes) -> None:
        if self.state.font is None:
            raise Unreadable("text without a font")
        self._emit(decode(self.state.font, data))

    def _emit(self, text: str) -> None:
        state, seen = self.state, self.seen
        seen.letters += len(text)
        if seen.letters > MOST_LETTERS:
            raise Unreadable("too much text")
        full = times((1, 0, 0, 1, 0, state.rise), times(self.tm, state.ctm))
        along, up = (full[0], full[1]), (full[2], full[3])
        size, wide = state.size * (up[0] ** 2 + up[1] ** 2) ** 0.5, (along[0] ** 2 + along[1] ** 2) ** 0.5
        across = abs(along[0] * up[0] + along[1] * up[1]) / max(wide * (up[0] ** 2 + up[1] ** 2) ** 0.5, 1e-9)
        x, y = full[4], full[5]
        unseen = state.mode in (3, 7) or state.colour == "white" or size < LEAST_SIZE
        if unseen or not _meets((x, y, x, y), self.clip):
            seen.hidden = seen.hidden or bool(text.strip())
        elif state.font is not None:
            turn = (along[0] / max(wide, 1e-9), along[1] / max(wide, 1e-9))
            seen.runs.append(Run(text, x, y, size, across, turn, state.font.name, state.colour, not self.moved))
        self.tm = times((1, 0, 0, 1, state.size * 0.5 * len(text), 0), self.tm)  # about; widths are not needed to order lines
        self.moved = False

    def gray(self, operands: list[Operand]) -> None:
        """g"""
        self.state.colour = _colour([_float(operands[-1])])

    def rgb(self, operands: list[Operand]) -> None:
        """rg, k, sc, scn"""
        self.state.colour = _colour([v for v in operands if isinstance(v, float)])

    def space(self, _: list[Operand]) -> None:
        """cs: the initial colour of every usual space is black."""
        self.state.colour = "black"


_ACTIONS: dict[bytes, Callable[[_Interpreter, list[Operand]], None]] = {
    b"q": _Interpreter.save,
    b"Q": _Interpreter.restore,
    b"cm": _Interpreter.concat,
    b"Do": _Interpreter.draw,
    b"BT": _Interpreter.begin,
    b"Tf": _Interpreter.font,
    b"TL": _Interpreter.leading,
    b"Ts": _Interpreter.rise,
    b"Tr": _Interpreter.mode,
    b"Tm": _Interpreter.matrix,
    b"Td": _Interpreter.move,
    b"TD": _Interpreter.move_leading,
    b"T*": _Interpreter.next_line,
    b"Tj": _Interpreter.show,
    b"'": _Interpreter.show_line,
    b'"': _Interpreter.show_line,
    b"TJ": _Interpreter.show_array,
    b"g": _Interpreter.gray,
    b"rg": _Interpreter.rgb,
    b"k": _Interpreter.rgb,
    b"sc": _Interpreter.rgb,
    b"scn": _Interpreter.rgb,
    b"cs": _Interpreter.space,
}


def _operand(data: bytes, match: re.Match[bytes], at: int) -> tuple[Operand | None, int]:
    kind = match.lastgroup
    if kind == "num":
        return float(match["num"]), at
    if kind == "name":
        return _unescaped(match["name"]), at
    if kind == "hex":
        digits = match["hex"].translate(None, b"\0\t\n\x0c\r ")
        return bytes.fromhex((digits + b"0" if len(digits) % 2 else digits).decode()), at
    if kind == "str":
        return _string(data, at)
    if kind == "open":
        return _array(data, at)
    return None, at


def _array(data: bytes, at: int) -> tuple[list[float | bytes], int]:
    found: list[float | bytes] = []
    while len(found) <= MOST_LETTERS:
        match = _TOKEN.match(data, at)
        if match is None or match.lastgroup in ("op", "end", "open"):
            break
        at = match.end()
        if match.lastgroup == "close":
            return found, at
        value, at = _operand(data, match, at)
        if isinstance(value, float | bytes):
            found.append(value)
    raise Unreadable("an array that does not end")


def _string(data: bytes, at: int) -> tuple[bytes, int]:
    parts, deep = list[bytes](), 0
    while match := _STRING.match(data, at):
        at = match.end()
        if match[1]:
            parts.append(bytes((int(match[1], 8) & 255,)))
        elif match[3]:
            parts.append(_ESCAPED.get(match[3], match[3]))
        elif match[5]:
            if not deep:
                return b"".join(parts), at
            deep -= 1
            parts.append(b")")
        elif not match[2]:
            deep += bool(match[4])
            parts.append(match[0])
    raise Unreadable("a string that does not end")


def _unescaped(name: bytes) -> str:
    return re.sub(rb"#([0-9A-Fa-f]{2})", lambda m: bytes((int(m[1], 16),)), name).decode("latin-1")


def _float(value: Operand) -> float:
    if not isinstance(value, float):
        raise Unreadable("an operand that is no number")
    return value


def _matrix(operands: list[Operand]) -> Matrix:
    a, b, c, d, e, f = (_float(v) for v in operands)
    return a, b, c, d, e, f


def _colour(parts: list[float]) -> str:
    if len(parts) == 1:
        parts = parts * 3
    if len(parts) == 4:
        parts = [(1 - p) * (1 - parts[3]) for p in parts[:3]]
    if len(parts) != 3:
        return "other"
    return "white" if min(parts) > 0.85 else rgb_colour(parts[0], parts[1], parts[2])


def _meets(a: Rect, b: Rect) -> bool:
    slack = 0.5
    return a[0] <= b[2] + slack and a[2] >= b[0] - slack and a[1] <= b[3] + slack and a[3] >= b[1] - slack
