"""Templates that tenants keep: editing, publishing, and those that come from a folder."""
