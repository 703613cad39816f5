"""`make tenants`: every route, with every id of another business, by everybody.

    python -m tests.tenants

The application is the one that `create_app` makes, over practice, which has something behind every
route. Two businesses live in it. Whatever is asked with an id of the other one must be answered
like an id that nobody has, show nothing of the other, and change nothing there.
"""
