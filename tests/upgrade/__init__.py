"""Upgrades and ways back with the code of the version before, as it was, under traffic."""
