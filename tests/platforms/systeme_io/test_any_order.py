"""The platform tells of what one person bought in any order and more than once: the same end."""

from __future__ import annotations

import pytest

from tests.contracts.any_order import AnyOrderContract, RecordedStory, emptied_postgres, engine
from tests.platforms.systeme_io.recorded import recording, webhooks
from webhooks.stores.systeme_io import parse

__all__ = ["emptied_postgres", "engine"]

BOUGHT = (
    "sale_new_course_and_tag",
    "tag_added",
    "sale_new_subscription",
    "sale_canceled_subscription",
    "sale_canceled_one_shot",
    "tag_removed",
)


class TestAnyOrder(AnyOrderContract):
    @pytest.fixture
    def story(self) -> RecordedStory:
        told = [recording(name) for name in BOUGHT]
        for minute, one in enumerate(told):
            one.headers["X-Webhook-Event-Timestamp"] = f"2026-11-20T09:{16 + minute}:00+00:00"
        return RecordedStory(webhooks(), parse, told)
