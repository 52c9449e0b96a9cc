"""The public API: what callers see of the gateway.  One module per resource, and what surrounds them."""
