"""A small run of mutmut over two files, and the proof that a new survivor is told of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.harness import run_harness
from tests.mutants.__main__ import LEAST, compare, keep
from tests.mutants.changes import Change, Judged, _change, explained, judge, judging_tests
from tests.tree_copy import copy_tree

pytestmark = pytest.mark.timeout(900)
"""Far beyond what it takes: on a busy machine a hundred changes take a while."""

KNOWN = Change("plugin/domain/money.py", "total", "return 1", "return 2")
FRESH = Change("plugin/domain/money.py", "zero", "return 1", "return 2")


def test_tests_notice_what_is_changed_in_limits_and_rights() -> None:
    code, told, said = run_harness("mutants", "--only", "token_bucket", "refund_rights")
    assert code == 0, said
    assert told["unexplained"] == told["unclear"] == 0
    assert told["killed"] > 40
    assert told["score"] >= LEAST


def test_a_change_that_no_test_looks_at_survives_and_fails_the_run(tmp_path: Path) -> None:
    tree = copy_tree(tmp_path / "tree")
    (tree / "tests" / "test_idle.py").write_text(
        "from plugin.platforms.token_bucket import Bucket, Rate, take\n\n\n"
        "def test_idle() -> None:\n    take(Bucket(), 0, Rate(1, 1, 1))\n",
        "utf-8",
    )
    file = "plugin/platforms/token_bucket.py"
    judged = judge(tree, file, ["tests/test_idle.py"], workers=1)
    assert not judged.unclear
    added = Change(
        file,
        "take",
        "return Bucket(full_at_us + rate.gap_us), 0.0",
        "return Bucket(full_at_us + rate.gap_us), 1.0",
    )
    assert added in judged.survivors
    counts, sentences = compare({file: judged}, {})
    assert counts["unexplained"] == len(judged.survivors) > 5
    assert counts["low"] == 1
    assert any("+ return Bucket(full_at_us + rate.gap_us), 1.0" in one for one in sentences)


def test_an_explained_survivor_is_counted_and_a_new_one_is_told_of() -> None:
    judged = Judged(killed=98, survivors=(KNOWN, FRESH), unclear=())
    counts, sentences = compare({KNOWN.file: judged}, {KNOWN: "equivalent"})
    assert (counts["explained"], counts["unexplained"], counts["score"]) == (1, 1, 98.0)
    assert counts["score_money"] == 98.0
    assert len(sentences) == 1
    assert "zero: no test minds" in sentences[0]


def test_what_was_not_judged_and_what_scores_low_is_told_of() -> None:
    judged = Judged(killed=89, survivors=(KNOWN,) * 11, unclear=("money: None",))
    counts, sentences = compare({KNOWN.file: judged}, {KNOWN: "equivalent"})
    assert (counts["unclear"], counts["low"], counts["unexplained"]) == (1, 1, 0)
    assert [one.partition(":")[0] for one in sentences] == ["not judged", KNOWN.file]


def test_an_explanation_that_is_not_needed_any_more_is_told_of() -> None:
    counts, sentences = compare({KNOWN.file: Judged(1, (), ())}, {KNOWN: "equivalent"})
    assert counts["gone"] == 1
    assert "noticed by now" in sentences[0]
    other = {"plugin/domain/ledger.py": Judged(1, (), ())}
    assert compare(other, {KNOWN: "equivalent"})[0]["gone"] == 0


def test_every_explanation_is_of_a_file_that_is_changed_and_says_why(tmp_path: Path) -> None:
    assert {change.file for change in explained()} <= judging_tests().keys()
    path = tmp_path / "survivors.json"
    keep(path, {KNOWN.file: Judged(1, (KNOWN,), ())}, {})
    with pytest.raises(ValueError, match="say why"):
        explained(path)
    path.write_text(path.read_text("utf-8").replace('"why": ""', '"why": "equivalent"'), "utf-8")
    assert explained(path) == {KNOWN: "equivalent"}
    assert json.loads(path.read_text("utf-8"))[0]["file"] == KNOWN.file


def test_every_file_that_judges_or_is_judged_exists() -> None:
    root = Path(__file__).parents[2]
    for file, tests in judging_tests().items():
        assert (root / file).is_file()
        assert tests
        assert all((root / one).is_file() for one in tests)


def test_a_change_is_known_by_its_text() -> None:
    shown = "# name: survived\n--- a.py\n+++ a.py\n@@ -1 +1 @@\n def f():\n-    x = 1\n+    x = 2\n"
    name = "plugin.domain.money.xǁMoneyǁ__add____mutmut_7"
    assert _change("a.py", name, shown) == Change("a.py", "Money.__add__", "x = 1", "x = 2")
    assert _change("a.py", "a.x_total__mutmut_1", shown).function == "total"
