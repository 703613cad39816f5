"""What the install screen shows of an install that waits for the platform's keys. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from plugin.platforms.manifest import PlatformManifest
from plugin.ports.connecting import GoTo, PendingInstall, PendingState, ShowAddress


@dataclass(frozen=True, slots=True)
class PendingCard:
    """How far it is, and what the admin does next.

    `link` opens the page that asks, at the host `there`, which must know the address `register`;
    `address` is to be copied instead. They are empty once it is over. `fault` says why nothing was
    connected.
    """

    id: str
    title: str
    steps: tuple[str, ...]
    link: str = field(repr=False)
    there: str
    register: str
    address: str = field(repr=False)
    said: str
    fault: str

    @property
    def asks_again(self) -> bool:
        """Whether something may still come."""
        return not self.fault


def pending_card(
    pending: PendingInstall, manifest: PlatformManifest, step: GoTo | ShowAddress | None
) -> PendingCard:
    """The card. It shows no key, for it knows none."""
    link = step.url if isinstance(step, GoTo) else ""
    over = pending.state is PendingState.FAILED
    trying = pending.state is PendingState.TRYING
    until = f"until {pending.expires_at:%H:%M} UTC"
    return PendingCard(
        id=pending.id,
        title=f"{manifest.name} sends its key",
        steps=manifest.install_way.steps if step and manifest.install_way else (),
        link=link,
        there=urlsplit(link).hostname or "",
        register=step.register if isinstance(step, GoTo) else "",
        address=step.url if isinstance(step, ShowAddress) else "",
        said=""
        if over
        else "The key came. Makegood is trying it"
        if trying
        else f"Makegood waits for {manifest.name} {until}",
        fault=pending.reason if over else "",
    )
