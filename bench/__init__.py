"""Benchmarks: our figures beside those of a bare peer, measured side by side in one run.

`make bench` runs them all. Every figure is a ratio, or CPU time. Nothing here is part of the
product, and no test depends on a time.
"""
