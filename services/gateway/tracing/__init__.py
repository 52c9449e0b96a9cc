"""Traces of OpenTelemetry; imported only where ``PILLARBOX_TRACING`` is on, since its packages are optional.

``exporting`` sets the SDK up, ``contexts`` reads and writes the text that a trace travels in, and the
others make spans: of requests, of what is published, and of what the ledger was told.
"""
