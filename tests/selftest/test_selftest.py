"""Each of the twelve bugs is found; plants that do nothing and judges that fall are told of."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.selftest import __main__ as selftest
from tests.selftest.__main__ import CAUGHT, FALSE_ALARM, MISSED, STALE, Trial, main
from tests.selftest.ground import Change, Ground, Stale
from tests.selftest.judges import Harness, Judge, Suite, Told
from tests.selftest.plants import PLANTS, Plant

pytestmark = pytest.mark.timeout(900)
"""Far beyond what it takes: on a busy machine a dozen processes start slowly."""

MONEY = "plugin/domain/money.py"
GREEN, RED = Told({}, broke=False, said=""), Told({"double": 1}, broke=False, said="")
FALLEN = Told({}, broke=True, said="")


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return Ground(tmp_path_factory.mktemp("selftest") / "tree")


@pytest.fixture(scope="module")
def trial(ground: Ground) -> Trial:
    return Trial(ground)


def test_there_are_twelve_bugs() -> None:
    assert len(PLANTS) == 12


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_bug_turns_its_harness_red(name: str, trial: Trial) -> None:
    assert trial.try_plant(PLANTS[name]) == CAUGHT


# --- the ground -----------------------------------------------------------------------------------


def test_a_plant_stands_until_the_end_of_its_block_and_no_longer(ground: Ground) -> None:
    path = ground.tree / MONEY
    before = path.read_text("utf-8")
    twice = (Change(MONEY, "MAX_MINOR = 10**15", "MAX = 1"), Change(MONEY, "MAX = 1", "MAX = 2"))
    with ground.planted(twice):
        assert "MAX = 2" in path.read_text("utf-8")
    assert path.read_text("utf-8") == before


@pytest.mark.parametrize(
    "change",
    [
        Change(MONEY, "code that is not there", ""),
        Change(MONEY, "InvalidInput", "Anything"),
        Change("plugin/domain/no_such_file.py", "x", "y"),
    ],
)
def test_a_plant_without_its_code_is_stale_and_changes_nothing(
    change: Change, ground: Ground
) -> None:
    before = (ground.tree / MONEY).read_text("utf-8")
    first = Change(MONEY, "MAX_MINOR = 10**15", "MAX_MINOR = 1")
    with pytest.raises(Stale, match="not once"), ground.planted((first, change)):
        pytest.fail("it was planted")
    assert (ground.tree / MONEY).read_text("utf-8") == before
    assert not (ground.tree / "plugin/domain/no_such_file.py").exists()


# --- what counts as found -------------------------------------------------------------------------


@dataclass(eq=False)
class Saying:
    """A judge that says one thing of the product and another of the planted one."""

    sound: Told
    planted: Told
    name: str = "saying"
    runs: list[bool] = field(default_factory=list)

    def run(self, tree: Path) -> Told:
        self.runs.append("MAX_MINOR = 1\n" in (tree / MONEY).read_text("utf-8"))
        return self.planted if self.runs[-1] else self.sound


def plant(judge: Judge, was: str = "MAX_MINOR = 10**15\n") -> Plant:
    return Plant("smaller money", judge, (Change(MONEY, was, "MAX_MINOR = 1\n"),))


@pytest.mark.parametrize(
    ("sound", "planted", "word"),
    [
        (GREEN, RED, CAUGHT),
        (GREEN, GREEN, MISSED),
        (GREEN, FALLEN, MISSED),
        (GREEN, Told({"double": 1}, broke=True, said=""), MISSED),
        (RED, RED, FALSE_ALARM),
        (FALLEN, RED, FALSE_ALARM),
    ],
)
def test_only_a_judge_that_is_green_without_and_red_with_the_bug_has_caught_it(
    sound: Told, planted: Told, word: str, ground: Ground
) -> None:
    assert Trial(ground).try_plant(plant(Saying(sound, planted))) == word


def test_a_stale_plant_is_told_before_anything_runs(ground: Ground) -> None:
    judge = Saying(GREEN, RED)
    assert Trial(ground).try_plant(plant(judge, "not there")) == STALE
    assert judge.runs == []


def test_a_judge_shows_once_that_it_is_green(ground: Ground) -> None:
    judge, trial = Saying(GREEN, RED), Trial(ground)
    assert [trial.try_plant(plant(judge)) for _ in range(2)] == [CAUGHT, CAUGHT]
    assert judge.runs == [False, True, True]


@pytest.mark.parametrize(("planted", "code"), [(RED, 0), (GREEN, 1)])
def test_the_last_line_says_who_caught_what(
    planted: Told,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(selftest, "PLANTS", {"small": plant(Saying(GREEN, planted))})
    assert main([]) == code
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told.pop("seconds") >= 0
    assert told == {
        "planted": 1,
        "caught": 1 - code,
        "missed": code,
        "stale": 0,
        "false_alarms": 0,
        "small": MISSED if code else "saying",
    }


# --- judges ---------------------------------------------------------------------------------------

SCRIPTS = {
    "green": ('print(\'{"double": 0, "over": 0}\')', {}, False),
    "red": ('print(\'{"double": 2, "over": 0}\'); raise SystemExit(1)', {"double": 2}, False),
    "red by what is not looked at": ("print('{\"double\": 0}'); raise SystemExit(1)", {}, True),
    "red that ends well": ('print(\'{"double": 2, "over": 0}\')', {"double": 2}, True),
    "fallen": ("raise SystemExit(1)", {}, True),
    "talking": ("print('all is well')", {}, True),
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_harness_is_red_by_its_counts_and_its_exit_code(script: str, tmp_path: Path) -> None:
    text, reds, broke = SCRIPTS[script]
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "made.py").write_text(text, "utf-8")
    told = Harness("made", (), ("double", "over")).run(tmp_path)
    assert (told.reds, told.broke) == (reds, broke), told.said
    assert told.is_green is (script == "green")


@pytest.mark.parametrize(
    ("text", "reds", "broke"),
    [
        ("def test_it() -> None: ...", {}, False),
        ("def test_it() -> None: assert False", {"failed": 1}, False),
        ("import no_such_module", {}, True),
    ],
)
def test_tests_are_red_by_failures_and_not_by_falling_over(
    text: str, reds: dict[str, int], broke: bool, tmp_path: Path
) -> None:
    (tmp_path / "test_made.py").write_text(text, "utf-8")
    told = Suite("test_made.py").run(tmp_path)
    assert (told.reds, told.broke) == (reds, broke), told.said
