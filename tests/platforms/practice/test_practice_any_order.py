"""The practice shop tells of what happened in any order and more than once: the same end."""

from __future__ import annotations

import pytest

from plugin.platforms.data_files import DataFiles
from plugin.platforms.registry import Registry
from plugin.ports import Kind
from tests.contracts.any_order import AnyOrderContract, RecordedStory, emptied_postgres, engine
from tests.contracts.webhook import Recording
from tests.platforms.practice.test_practice_webhook import FOLDER
from webhooks.stores.practice import parse

__all__ = ["emptied_postgres", "engine"]

BOUGHT = (
    "sale_made",
    "tag_added",
    "payment_refunded",
    "sale_refunded",
    "dispute_opened",
    "dispute_lost",
    "subscription_cancelled",
    "tag_removed",
)


class TestAnyOrder(AnyOrderContract):
    @pytest.fixture
    def story(self) -> RecordedStory:
        hooks = Registry([DataFiles().manifests()]).manifest(Kind.STORE, "practice").webhooks
        assert hooks is not None
        told = [Recording.read(FOLDER / f"{name}.json") for name in BOUGHT]
        return RecordedStory(hooks, parse, told)
