"""`python -m bench NAME`: measure, print the table, keep the figures in build/bench.json."""

from __future__ import annotations

import argparse

from bench import intake


def main() -> None:
    """Read the command line and run what it names."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    names = parser.add_subparsers(required=True)
    one = names.add_parser("intake", help="durable accepts beside a bare Flask app")
    one.add_argument("--rounds", type=int, default=9, help="loads of each server")
    one.add_argument("--number", type=int, default=4000, help="deliveries in a load")
    one.add_argument("--seed", type=int, default=20261122, help="decides who goes first")
    one.set_defaults(run=lambda words: intake.main(words.rounds, words.number, words.seed))
    words = parser.parse_args()
    words.run(words)


if __name__ == "__main__":
    main()
