"""Makegood: the refund desk inside your tickets. Decisions, use cases, adapters and web."""
