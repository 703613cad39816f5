"""`make fuzz`: hostile bodies, headers and forms on the raw WSGI application, counted.

    python -m tests.fuzz --n 1000000 --seed 7

Nothing here stands in for the product: the application is the one that `create_app` makes, on real
SQLite files, with every route that it has. No test client makes the bytes nicer. Sockets alone are
shut: whoever tries one is refused and counted.
"""
