"""How the reading process sends rows: a letter and a length, then so many bytes. Imports nothing of ours."""

import struct

FRAME = struct.Struct(">cI")
BLOCK, END, REFUSED = b"B", b"E", b"R"
