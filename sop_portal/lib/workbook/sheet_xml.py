"""The light pass over a sheet's XML: its error cells, formulas saved without a result, and its true extent.

Runs in the reading process only, on the blocks that the check of the archive unpacks anyway. A block of whole rows
is taken apart into cells only when a search of its bytes finds something to report.
"""

import codecs
import re

from container import Facts

_NAME = rb"(?:[\w.-]+:)?"
_CELL = re.compile(rb"<%brow\b([^>]*)>|<%bc(?=[\s/>])([^>]*?)(?:/>|>(.*?)</%bc\s*>)" % (_NAME, _NAME, _NAME), re.DOTALL)
_ROW = re.compile(rb"<%brow\b([^>]*)>" % _NAME)
_ROOT = re.compile(rb"<([\w.-]+:)worksheet[\s>]")
_ROW_END = b"row>"
_ADDRESS = re.compile(rb"""\br\s*=\s*["']([A-Za-z]*)([0-9]*)["']""")
_TYPE = re.compile(rb"""\bt\s*=\s*["'](\w+)["']""")
_VALUE = re.compile(rb"<%bv\b[^>]*(?<!/)>(.*?)</" % _NAME, re.DOTALL)
_FORMULA = re.compile(rb"<%bf[\s/>]" % _NAME)
_FORMULA_WITH_VALUE = re.compile(rb"<(?:/%bf\s*>|%bf\b[^>]*/>)\s*<%bv\s*>[^<]" % (_NAME, _NAME, _NAME))


class SheetScan:
    """Takes the bytes of a sheet in pieces and gathers its `facts`; rows and columns are what fits the limits."""

    def __init__(self, rows: int, columns: int) -> None:
        self.facts = Facts()
        self._rows = rows
        self._far = re.compile(rb'r="(?:%b)[0-9]' % _columns_beyond(columns))
        self._row = self._column = -1
        self._pieces: list[bytes] = []
        self._decoder: codecs.IncrementalDecoder | None = None
        self._started = False
        self._row_opening, self._formula_opening = b"<row", b"<f"

    def feed(self, piece: bytes) -> None:
        """The next bytes of the part."""
        first, self._started = not self._started, True
        if first and piece[:2] in (b"\xff\xfe", b"\xfe\xff"):
            self._decoder = codecs.getincrementaldecoder("utf-16")()
        if self._decoder:
            piece = self._decoder.decode(piece).encode()
        if first and (root := _ROOT.search(piece[:4096])):
            self._row_opening, self._formula_opening = b"<%brow" % root[1], b"<%bf" % root[1]
        # Only the new bytes are searched: a row may be as long as the part.
        before = self._pieces[-1][-len(_ROW_END) + 1 :] if self._pieces else b""
        end = (before + piece).rfind(_ROW_END)
        if end < 0:
            self._pieces.append(piece)
            return
        cut = end + len(_ROW_END) - len(before)
        self._look(b"".join([*self._pieces, piece[:cut]]))
        self._pieces = [piece[cut:]]

    def close(self) -> Facts:
        """What was found, once the part has ended."""
        self._look(b"".join(self._pieces))
        self._pieces = []
        return self.facts.in_order()

    def _look(self, block: bytes) -> None:
        last = self._last_row(block)
        if (
            b'"e"' in block
            or b"='" in block
            or last >= self._rows
            or self._far.search(block)
            or (self._formula_opening in block and _has_formula_without_value(block))
        ):
            self._take_apart(block)
            return
        if last > self._row:
            self.facts.saw(last, 0)
        self._row, self._column = last, -1

    def _last_row(self, block: bytes) -> int:
        """The number of the last row that begins in the block, by its address or else by counting."""
        opening = _ROW.match(block, max(0, block.rfind(self._row_opening)))
        if opening and (address := _ADDRESS.search(opening[1])) and address[2]:
            return int(address[2]) - 1
        return self._row + len(_ROW.findall(block))

    def _take_apart(self, block: bytes) -> None:
        facts, row, column = self.facts, self._row, self._column
        for match in _CELL.finditer(block):
            row_attributes, attributes, inner = match.groups()
            if row_attributes is not None:
                address = _ADDRESS.search(row_attributes)
                row, column = (int(address[2]) - 1 if address and address[2] else row + 1), -1
                continue
            address = _ADDRESS.search(attributes)
            if address and address[1] and address[2]:
                column, row = _column(address[1]), int(address[2]) - 1
            else:
                column += 1
            if not inner:
                continue
            kind = _TYPE.search(attributes)
            value = _VALUE.search(inner)
            if kind and kind[1] == b"e":
                facts.mark(row, column, (value[1].decode("utf-8", "replace")[:20] if value else "") or "#VALUE!")
                facts.saw(row, column)
            elif not (value and value[1]) and _FORMULA.search(inner) and not (kind and kind[1] == b"str"):
                facts.mark(row, column)
                continue
            if (value and value[1]) or b"is>" in inner:
                facts.saw(row, column)
        self._row, self._column = row, column


def _has_formula_without_value(block: bytes) -> bool:
    return len(_FORMULA.findall(block)) != len(_FORMULA_WITH_VALUE.findall(block))


def _columns_beyond(columns: int) -> bytes:
    """An expression for the letters of columns from the zero-based number `columns` on."""
    last, letters = columns, ""
    while last:
        last, letter = divmod(last - 1, 26)
        letters = chr(65 + letter) + letters
    longer = [f"[A-Z]{{{len(letters) + 1},}}"]
    same = [
        f"{letters[:place]}[{chr(ord(letter) + 1)}-Z]{'[A-Z]' * (len(letters) - place - 1)}"
        for place, letter in enumerate(letters)
        if letter != "Z"
    ]
    return "|".join(longer + same).encode()


def _column(letters: bytes) -> int:
    column = 0
    for letter in letters.upper():
        column = column * 26 + letter - 64
    return column - 1
