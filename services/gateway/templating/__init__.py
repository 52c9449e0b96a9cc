"""The template language: the part of Liquid that can be offered to anybody.

Only the tags and filters in ``language`` exist; none of them reaches a file, the clock or another
template.  Whatever a template does costs units of work, and a part has a fixed number of them: so
it is rendered within a fraction of a second or refused, and since nothing but the template and its
variables counts, both services on any machine come to the same end.

``tokens``, ``admission``, ``parsing`` and ``rendering`` are the way of a source; what its nodes do
is in ``nodes`` and ``dates``, what that costs in ``context`` and ``work``.  ``analysis`` and
``variables``, which judge what callers bring, are the gateway's own.  All other modules stand byte
for byte in the mailer, too, since the services share no code; ``tests/contract`` keeps it so.
"""

from __future__ import annotations

from .analysis import check, needed
from .errors import TemplateError
from .language import CACHED, FILTERS, NUMBER, SOURCE_LENGTH, TAGS
from .rendering import Rendered, render
from .variables import VARIABLES_BYTES, VARIABLES_DEPTH, bounded

__all__ = [
    "CACHED",
    "FILTERS",
    "NUMBER",
    "SOURCE_LENGTH",
    "TAGS",
    "VARIABLES_BYTES",
    "VARIABLES_DEPTH",
    "Rendered",
    "TemplateError",
    "bounded",
    "check",
    "needed",
    "render",
]
