"""``python -m services.gateway doctor``: whether what the gateway needs is there, and what to do if not."""
