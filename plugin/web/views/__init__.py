"""Display-ready content of the screens and its renderers.

Nothing here reads a clock, a store or a database.
"""
