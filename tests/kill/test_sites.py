"""No commit of the product is forgotten: each is killed by the harness, or spared for a reason."""

from __future__ import annotations

from tests.kill.sites import KILLED, SPARED, commit_sites, never_passed


def test_every_commit_is_killed_or_spared_by_name() -> None:
    there = {site for site, _ in commit_sites()}
    assert there - KILLED - set(SPARED) == set(), "put it into KILLED and let the load pass it"
    assert (KILLED | set(SPARED)) - there == set(), "these commit no more"
    assert not KILLED & set(SPARED)


def test_each_line_that_commits_must_be_passed() -> None:
    named = [f"worker before commit {site}:{line}" for site, line in commit_sites()]
    assert never_passed(named) == []
    missing = next(name for name in named if "SendRefund" in name)
    named.remove(missing)
    assert never_passed(named) == [missing.removeprefix("worker before commit ")]
    assert len(never_passed([])) > len(KILLED)  # several of them commit in two places
