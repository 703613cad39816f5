"""What the adapters of all platforms share: declarations, strict reading, careful HTTP.

Nothing here knows a single platform by name.
"""
