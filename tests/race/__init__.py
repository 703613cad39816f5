"""`make race`: a hundred callers in two processes on one order, and a judge of what is left.

    python -m tests.race --n 200

Callers press through the real use case, and two agents through the real panel route, on one
database. Then two workers send each refund at once, to a stateful gateway over loopback HTTP.
"""
