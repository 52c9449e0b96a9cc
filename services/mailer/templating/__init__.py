"""The template language: renders the messages that travel as a template and its variables.

Only the tags and filters in ``language`` exist; none of them reaches a file, the clock or another
template.  Whatever a template does costs units of work, and a part has a fixed number of them: so
it is rendered within a fraction of a second or refused, and since nothing but the template and its
variables counts, both services on any machine come to the same end.

``tokens``, ``admission``, ``parsing`` and ``rendering`` are the way of a source; what its nodes do
is in ``nodes`` and ``dates``, what that costs in ``context`` and ``work``.  All modules but this
one stand byte for byte in the gateway, too, since the services share no code; ``tests/contract``
keeps it so.
"""

from __future__ import annotations

from .errors import TemplateError
from .language import CACHED, FILTERS, TAGS
from .rendering import Rendered, render

__all__ = ["CACHED", "FILTERS", "TAGS", "Rendered", "TemplateError", "render"]
