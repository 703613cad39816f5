"""Every webhook parser and every other reader of foreign bytes, fed with changed bodies.

What comes is events, something taken, or a refusal with a name, and nothing else.
"""
