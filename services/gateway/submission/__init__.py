"""What a caller may submit: one model per call, and the rules for every field."""
