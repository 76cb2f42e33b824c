"""The light pass over a sheet's XML: its error cells, formulas saved without a result, and its true extent.

Runs in the reading process only, on the blocks that the check of the archive unpacks anyway. In a block of whole rows
only those cells are looked at that a search of its bytes finds; all of them only where cells do not say where they
stand.
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
# A formula that no text follows as its value, be the value missing or empty.
_FORMULA_WITHOUT = re.compile(rb"<(?:/%bf\s*>|%bf\b[^>]*/>)\s*(?!<%bv\b[^>]*>[^<])" % (_NAME, _NAME, _NAME))


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
        # As the root says; unknown until the first block.
        self._row_opening = self._cell_opening = self._formula_opening = b""

    def feed(self, piece: bytes) -> None:
        """The next bytes of the part."""
        if not self._started and piece[:2] in (b"\xff\xfe", b"\xfe\xff"):
            self._decoder = codecs.getincrementaldecoder("utf-16")()
        self._started = True
        if self._decoder:
            piece = self._decoder.decode(piece).encode()
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
        if not self._row_opening:
            root = _ROOT.search(block[:4096])
            prefix = root[1] if root else b""
            self._row_opening, self._cell_opening = b"<%brow" % prefix, b"<%bc" % prefix
            self._formula_opening = b"<%bf" % prefix
        last = self._last_row(block)
        if b"='" in block or last >= self._rows or self._far.search(block) or not self._look_closely(block):
            self._take_apart(block)
            return
        if self._cell_opening in block:
            self.facts.saw(last, 0)
        self._row, self._column = last, -1

    def _look_closely(self, block: bytes) -> bool:
        """Mark the cells that are worth it; False when one of them does not say where it stands."""
        starts = set()
        place = block.find(b'"e"')
        while place >= 0:
            starts.add(block.rfind(self._cell_opening, 0, place))
            place = block.find(b'"e"', place + 3)
        if self._formula_opening in block:
            starts |= {block.rfind(self._cell_opening, 0, found.start()) for found in _FORMULA_WITHOUT.finditer(block)}
        cells = []
        for start in sorted(starts):
            cell = _CELL.match(block, max(0, start))
            address = _ADDRESS.search(cell[2]) if cell and cell[2] is not None else None
            if not (cell and address and address[1] and address[2]):
                return False
            cells.append((int(address[2]) - 1, _column(address[1]), cell[2], cell[3]))
        for row, column, attributes, inner in cells:
            if inner:
                self._mark(row, column, attributes, inner)
        return True

    def _last_row(self, block: bytes) -> int:
        """The number of the last row that begins in the block, by its address or else by counting."""
        opening = _ROW.match(block, max(0, block.rfind(self._row_opening)))
        if opening and (address := _ADDRESS.search(opening[1])) and address[2]:
            return int(address[2]) - 1
        return self._row + len(_ROW.findall(block))

    def _take_apart(self, block: bytes) -> None:
        """Mark the cells of a block by looking at every one, and follow what has no address of its own."""
        row, column = self._row, self._column
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
            if inner and self._mark(row, column, attributes, inner):
                self.facts.saw(row, column)
        self._row, self._column = row, column

    def _mark(self, row: int, column: int, attributes: bytes, inner: bytes) -> bool:
        """Mark the cell if it is an error or a formula without a value; whether it holds anything else."""
        kind, value = _TYPE.search(attributes), _VALUE.search(inner)
        if kind and kind[1] == b"e":
            self.facts.mark(row, column, (value[1].decode("utf-8", "replace")[:20] if value else "") or "#VALUE!")
            return True
        filled = bool(value and value[1])
        if not filled and _FORMULA.search(inner) and not (kind and kind[1] == b"str"):
            self.facts.mark(row, column)
            return False
        return filled or b"is>" in inner


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
