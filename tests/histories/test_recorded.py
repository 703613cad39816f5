"""Every recorded history ends as it did when it was recorded, in whatever order it is heard."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.histories.drive import drive
from tests.histories.history import FORMAT, History, read, write
from tests.histories.template import Template

RECORDED = sorted((Path(__file__).parent / "recorded").glob("*.json"))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return Template(tmp_path_factory.mktemp("histories"))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_recorded_history_ends_as_it_did(path: Path, template: Template) -> None:
    history, end = read(path)
    outcome = drive(template, history)

    assert outcome.end == end
    assert not any(outcome.faults.values()), outcome.faults


def test_the_recorded_histories_hold_every_happening_there_is() -> None:
    happened = {step["do"] for path in RECORDED for step in read(path)[0].steps}

    assert len(RECORDED) >= 30
    assert happened == {
        "ask",
        "bank_settles",
        "bank_takes_back",
        "cancel_sale",
        "cancel_subscription",
        "dispute",
        "done_by_hand",
        "gift",
        "refund_fails",
        "refund_outside",
        "sale",
        "subscription",
        "tag",
    }


def test_a_history_is_read_as_it_was_written(tmp_path: Path) -> None:
    step = {"do": "gift", "id": "gift-1", "wait": 30, "who": 0, "course": "course c1", "heard": {}}
    history = History("by hand", (step,), (0,), heard_again=True)
    path = tmp_path / "kept.json"
    write(path, history, {"owed": {}})

    assert read(path) == (history, {"owed": {}})
    text = path.read_text("utf-8").replace(f'"format": {FORMAT}', f'"format": {FORMAT + 1}')
    path.write_text(text, "utf-8")
    with pytest.raises(ValueError, match="of format 2, not 1"):
        read(path)
