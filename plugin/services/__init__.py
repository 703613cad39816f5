"""Use cases, one verb and one object each.

They take ports and return values; they never do I/O themselves.
"""
