"""`make histories`: random histories of a store, heard in any order, against a naive model.

    python -m tests.histories --n 20000 --seed 7

A history (`history.py`) is a list of happenings in the world, each with the delays after which its
news reach us: at once, late, twice, never. It runs twice through the real use cases on real SQLite
(`drive.py`): once with every news heard at once and once, and once as written. Both ends must be
the same, and both must be what the model says (`model.py`), which knows the happenings only and
shares no code with the product. Recorded histories in `recorded/` must end alike for ever.
"""
