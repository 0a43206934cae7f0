"""Deterministic templates: one module per pattern, each with `propose(opportunity, source)`."""
