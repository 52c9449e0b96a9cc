"""Traces of OpenTelemetry; imported only where ``PILLARBOX_TRACING`` is on, since its packages are optional.

``exporting`` sets the SDK up, ``contexts`` reads the headers that a trace arrives in, and the others make
spans: of tasks, of claims and attempts, and of providers' requests.
"""
