"""What goes to a gateway says which lines end with it, each time that it is sent."""

from __future__ import annotations

import pytest

from plugin.domain.refunds import Refund, RefundAnswer
from tests.factories import a_course, eur
from tests.fakes.platforms import Mood
from tests.services.scene import Scene


@pytest.mark.parametrize("moods", [[], [Mood.BUSY]])
def test_the_plan_s_lines_go_along_with_the_refund(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, moods: list[Mood]
) -> None:
    plan = scene.decided(scene.sell(a_course()))
    scene.bank.moods = moods
    sent: list[Refund] = []
    honest = scene.bank.refund

    def refund(one: Refund) -> RefundAnswer:
        sent.append(one)
        return honest(one)

    monkeypatch.setattr(scene.bank, "refund", refund)
    scene.wait(seconds=60)
    assert len(sent) == 1 + len(moods)
    [line] = plan.fact.ends
    assert {one.ends for one in sent} == {((line, eur(4900)),)}
