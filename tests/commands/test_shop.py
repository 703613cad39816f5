"""`makegood shop`: shows and sets what the install screen does."""

from __future__ import annotations

import pytest

from tests.commands.conftest import Run


def test_it_shows_what_the_first_start_made(run: Run) -> None:
    shown = run("shop", "--json")
    assert shown.code == 0
    assert shown.facts == {
        "ok": True,
        "name": "Your store",
        "time_zone": "UTC",
        "language": "en",
    }
    assert "Time zone  UTC" in run("shop").out


def test_it_sets_what_is_given_and_keeps_it(run: Run) -> None:
    done = run("shop", "--set", "name=Northlight Studio", "--set", "time_zone=europe/zagreb")
    assert done.code == 0, done.err
    assert "Name       Northlight Studio" in done.out
    facts = run("shop", "--json").facts
    assert (facts["name"], facts["time_zone"]) == ("Northlight Studio", "Europe/Zagreb")
    assert run("audit", "verify", "--json").facts["entries"] == 1


@pytest.mark.parametrize(
    ("pair", "advice"),
    [
        ("time_zone=Mars", "--set time_zone: give an IANA name like Europe/Zagreb"),
        ("language=tlh", "--set language: we have: en"),
        ("name=", "--set name: give a name"),
        ("colour=red", "give any of name, time_zone, language"),
        ("name", "write KEY=VALUE"),
    ],
)
def test_what_cannot_be_set_says_what_to_give(run: Run, pair: str, advice: str) -> None:
    refused = run("shop", "--set", pair, "--json")
    assert refused.code == 2
    assert advice in refused.facts["detail"]
    assert run("shop", "--json").facts["name"] == "Your store"
