"""`make fairness`: what a flood of one tenant does to another's events, and whether it drains.

A real worker process on SQLite or PostgreSQL, and two tenants with a practice shop each. What is
timed is event -> applied: from the commit of the delivery to the end of its task.
"""
