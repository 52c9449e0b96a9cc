"""Measuring Pillarbox: side by side with a reference, in one run, on one machine.

``make bench`` runs it; ``docs/performance.md`` says what is measured and why in pairs.
"""
