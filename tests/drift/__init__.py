"""Plants what webhooks and hands leave behind at real fakes, and counts what the sweeps find.

`world.py` opens one Makegood over Stripe, several Systeme.io accounts and practice, all over real
connections; `gateway.py`, `shops.py` and `practice.py` make customers and plant differences;
`judge.py` says what was found, when, and what was found that was not there.
"""
