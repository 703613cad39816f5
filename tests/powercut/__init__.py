"""`make powercut`: the power goes at every write of the core path; what was promised must be there.

    python -m tests.powercut --n 12

The product runs on its own SQLite, which gets a recording file layer (`vfs.py`). From the record,
`disk.py` rebuilds the data folder as it would be after a cut at each write: everything that was not
synced is gone, or a random part of it is there, torn. The product opens that folder (`judge.py`):
nothing that anybody was told may be missing. `bad_starts.py` tries unsafe settings and damaged
files on the real commands.
"""
