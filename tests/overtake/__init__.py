"""`make overtake`: the gateway's webhook arrives, and is worked on, before its own answer does.

    python -m tests.overtake --n 1000

Each refund goes the real way: plan, decision, worker, gateway over loopback HTTP. The webhook comes
signed to the real route, through inbox and dispatch, while our call still waits for its answer.
"""
