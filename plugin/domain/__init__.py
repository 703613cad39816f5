"""The pure core: facts in, decisions out. No clock, no log, no network, no database, no Flask."""
