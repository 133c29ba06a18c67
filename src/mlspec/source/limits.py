"""How much a spec may hold; what is beyond is refused while it is read, so no input can use time or memory without bound."""

DEPTH = 64
"""Maps and lists inside one another."""
NODES = 200_000
"""Values after the expansion of aliases."""
SCALAR_BYTES = 256 * 1024
FAULTS = 100
"""Diagnostics of one file; what is wrong beyond is not reported."""
FILES = 1_000
"""Files that one spec may be extended from, itself counted."""
CHAIN = 100
"""Files that extend one another in a row."""
TOTAL_BYTES = 20 * 1024 * 1024
"""All files of one spec together."""
FILE_BYTES = 5 * 1024 * 1024
