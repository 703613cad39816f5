"""`make kill`: real workers, killed at random moments under load, and a judge of what is left.

    python -m tests.kill --n 2000

Nothing here stands in for the product: workers run `run_worker` on SQLite files with the real
engine, and call stateful fakes over loopback HTTP. Only time is quicker than on the wall
(`clock.py`), and the engine hands out recovered work sooner (`warm.py`).
"""
