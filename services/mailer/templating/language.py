"""What the language offers, and how much of it: its tags, its filters and all its limits."""

from __future__ import annotations

TAGS = ("#", "assign", "break", "capture", "case", "comment", "continue", "for", "if", "unless")

FILTERS = (
    *("abs", "append", "at_least", "at_most", "capitalize", "ceil", "compact", "date", "default"),
    *("divided_by", "downcase", "escape", "escape_once", "first", "floor", "join", "last", "lstrip"),
    *("map", "minus", "modulo", "newline_to_br", "plus", "prepend", "remove", "remove_first", "replace"),
    *("replace_first", "reverse", "round", "rstrip", "size", "slice", "sort", "sort_natural", "split"),
    *("squish", "strip", "strip_newlines", "sum", "times", "truncate", "truncatewords", "upcase"),
    *("url_encode", "where"),
)

SOURCE_LENGTH = 262_144
"""Characters of one part."""

MARKUP_LENGTH = 16_384
"""Characters of one part that stand in braces."""

TAG_LENGTH, OPERATORS = 1_000, 50
"""Of one pair of braces: the library takes quadratic time for the ones, nested calls for the others."""

NESTING = 20
"""Blocks in blocks."""

OUTPUT_BYTES = 1_048_576
"""UTF-8 that one part becomes."""

SUBJECT_LENGTH = 998
"""Characters that the subject becomes (RFC 5322, section 2.1.1)."""

WORK = 5_000_000
"""Units of work for one part, of some 50 ns at the most: 1 for a character, 100 and more for a tag."""

NAMESPACE = 1_000_000
"""Units, as above, of what one part assigns and captures."""

VALUE, PRODUCT = 262_144, 4_194_304
"""Units that a filter takes, and for ``join`` and ``replace`` what is taken times what is put in."""

NUMBER, RANGE = 10**18, 1_000
"""What a number made by a filter is below (``times`` would make any), and the last one in a range."""

CACHED = 64
"""Parts that are kept parsed: some 50 KB each as a rule, 4 MB at the most."""
