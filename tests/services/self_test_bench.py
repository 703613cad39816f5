"""The self-test's use case over a real database and a toy platform."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from plugin.ports.records import Installation, InstallationStatus, SelfTestLine, Tenant
from plugin.services.run_self_test import RunSelfTest
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import STORE, an_installation
from tests.services.connecting_fakes import CountingMint, ToyDeclarations, ToyPlatform, ToyPlatforms
from tests.storage_fixtures import FakeClock


@dataclass
class Bench:
    """The use case over a real database and a toy platform."""

    storage: SqlStorage
    tenant: Tenant
    clock: FakeClock
    toy: ToyPlatform = field(default_factory=ToyPlatform)
    declarations: ToyDeclarations = field(default_factory=ToyDeclarations)
    pauses: list[float] = field(default_factory=list)

    @property
    def use_case(self) -> RunSelfTest:
        return RunSelfTest(
            self.storage,
            ToyPlatforms(self.toy),
            self.declarations,
            self.mint,
            "https://refunds.example",
        )

    def __post_init__(self) -> None:
        self.mint = CountingMint()
        lines = tuple(SelfTestLine(name, "waiting") for name in self.declarations.lines)
        with self.storage.begin(self.tenant.id) as uow:
            installation = an_installation(status=InstallationStatus.CONNECTING)
            uow.installations.add(replace(installation, self_test=lines))
            uow.commit()

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.clock.advance(seconds=seconds)

    def run(self) -> list[Installation]:
        return list(self.use_case.run(self.tenant.id, STORE, self.clock.now, self.pause))

    def step(self) -> Installation:
        after = self.use_case.step(self.tenant.id, STORE, self.clock.now)
        assert after is not None
        return after

    def now(self) -> Installation:
        with self.storage.read(self.tenant.id) as uow:
            found = uow.installations.get(STORE)
        assert found is not None
        return found

    def save(self, installation: Installation) -> None:
        with self.storage.begin(self.tenant.id) as uow:
            uow.installations.save(installation)
            uow.commit()

    def line(self, name: str) -> SelfTestLine:
        return next(line for line in self.now().self_test if line.name == name)

    def states(self) -> dict[str, str]:
        return {line.name: line.state for line in self.now().self_test}
