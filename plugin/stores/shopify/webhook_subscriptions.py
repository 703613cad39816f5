"""Our webhook subscriptions at one shop: one for each topic, all to one address.

Shopify shows an app its own subscriptions only, and removes one that failed eight times in a row.
Topics that the app's own settings name are subscribed there, and by no call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from plugin.domain.errors import RetryLater
from plugin.domain.ids import InstallationId
from plugin.platforms.strict_json import JsonValue
from plugin.ports import Changed
from plugin.stores.shopify.account import Account, manifest, understood
from plugin.stores.shopify.installing import COMPLIANCE


@dataclass(frozen=True, slots=True)
class _Subscription:
    """`topic` as GraphQL spells it: `REFUNDS_CREATE`."""

    id: str
    topic: str
    url: str


@dataclass(frozen=True, slots=True)
class WebhookSubscriptions:
    """Of one connection, whose id ends its addresses."""

    account: Account
    installation: InstallationId

    def make(self, url: str) -> int:
        """Subscribe what is not yet, then remove our older addresses: nothing is missed between.

        Returns how many topics there are.
        """
        listed, topics = self._listed(), _topics()
        there = {one.topic for one in listed if one.url == url}
        for topic in topics:
            if topic not in there:
                webhook: JsonValue = {"uri": url, "format": "JSON"}
                variables: dict[str, JsonValue] = {"topic": topic, "webhook": webhook}
                self.account.change_simply("webhook.create", variables)
        for one in listed:
            if one.url != url and one.url.endswith(f"/{self.installation}"):
                self._remove(one)
        return len(topics)

    def stand(self, url: str) -> bool:
        """Whether all of them are there."""
        there = {one.topic for one in self._listed() if one.url == url}
        return there.issuperset(_topics())

    def remove(self, url: str) -> Changed:
        ours = [one for one in self._listed() if one.url == url]
        for one in ours:
            self._remove(one)
        return Changed.DONE if ours else Changed.ALREADY

    def _remove(self, one: _Subscription) -> None:
        self.account.change_simply("webhook.remove", {"id": one.id})

    def _listed(self) -> Sequence[_Subscription]:
        data = self.account.ask("webhook.list")
        with understood(RetryLater):
            nodes = data.items("webhookSubscriptions", "nodes")
            return [
                _Subscription(one.text("id"), one.text("topic"), one.text("uri")) for one in nodes
            ]


def _topics() -> Sequence[str]:
    """The topics that we subscribe, as GraphQL spells them."""
    hooks = manifest().webhooks
    declared = () if hooks is None else hooks.topics
    ours = [topic for topic in declared if topic not in COMPLIANCE]
    return [topic.upper().replace("/", "_").replace(".", "_") for topic in ours]
