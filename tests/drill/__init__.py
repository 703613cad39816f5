"""`make drill`: lose a house, restore an older copy of it, and reconcile it with the gateway.

    python -m tests.drill --n 100000

The house has N refunds that are over, and some in every state that a refund can be in on its way.
A copy is made while they are; then the house goes on, moves money that the copy does not know of,
and is lost. The copy is restored, and a worker works on it until all is known and all is at rest.
"""
