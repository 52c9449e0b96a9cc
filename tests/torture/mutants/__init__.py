"""The judge is judged: services with one promise broken, which a run has to find out."""
