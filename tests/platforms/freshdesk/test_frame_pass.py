"""Who may fetch a pass, and what a pass opens: the account for two minutes, never an agent."""

from __future__ import annotations

import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from plugin.domain.errors import Refused
from plugin.helpdesks.freshdesk.frame_pass import (
    PASS_LIFE_SECONDS,
    SHORTEST_SECRET,
    give_pass,
    signed_in,
)
from tests.platforms.freshdesk.account import APP_SECRET
from tests.platforms.freshdesk.world import INSTALLATION, World

OTHER_SECRET = "another-app-secret-0123456789abcdefgh"


LONGEST_PASS = 2048


def key_of(secret: str) -> bytes:
    """The key of a pass, made here a second time: a rolling update takes the other version's."""
    return hmac.digest(secret.encode(), b"makegood frame pass", "sha256")


def refusal(world: World, given: str, *, later: timedelta = timedelta()) -> str:
    with pytest.raises(Refused) as raised:
        world.desk.sign_in({"pass": given}, {}, world.now + later)
    return raised.value.code


def forged(world: World, key: bytes | str | None = None, **changed: Any) -> str:  # noqa: ANN401 - hostile values too
    begins = int(world.now.timestamp())
    claims = {
        "iss": "makegood",
        "aud": f"makegood-frame:{INSTALLATION}",
        "iat": begins,
        "exp": begins + PASS_LIFE_SECONDS,
        "says": "102",
        **changed,
    }
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(kept, key_of(APP_SECRET) if key is None else key, algorithm="HS256")


def test_a_pass_of_this_form_is_taken(world: World) -> None:
    signed = world.desk.sign_in({"pass": forged(world)}, {}, world.now)
    assert (signed.agent, signed.claimed_agent) == (None, "102")


@pytest.mark.parametrize(
    "shown",
    [
        "",
        APP_SECRET,
        "Bearer ",
        f"Bearer {APP_SECRET[:-1]}",
        f"Bearer {APP_SECRET}x",
        f"bearer {APP_SECRET}",
        f"Bearer {OTHER_SECRET}",
        "Bearer \u00e9\u00e9",
    ],
)
def test_who_does_not_show_the_secret_gets_no_pass(world: World, shown: str) -> None:
    with pytest.raises(Refused) as raised:
        world.desk.give_pass(shown, {"agent": "102"}, world.now)
    assert raised.value.code == "pass_refused"


@pytest.mark.parametrize("secret", ["", "short", "x" * 31])
def test_a_secret_that_can_be_guessed_opens_nothing(world: World, secret: str) -> None:
    with pytest.raises(Refused, match="give one of 32 characters or more") as raised:
        give_pass(secret, INSTALLATION, f"Bearer {secret}", "", world.now)
    assert raised.value.code == "app_secret_short"
    hers = forged(world, key_of(secret))
    with pytest.raises(Refused, match="pass_refused"):
        signed_in(secret, INSTALLATION, hers, world.now)


def test_the_shortest_secret_that_is_taken_gives_passes_and_opens_with_them(world: World) -> None:
    secret = "x" * SHORTEST_SECRET
    given = give_pass(secret, INSTALLATION, f"Bearer {secret}", "102", world.now)
    assert signed_in(secret, INSTALLATION, given, world.now).claimed_agent == "102"


@pytest.mark.parametrize("agent", ["", "0", "abc", "1 or 1", "../me", "9" * 20, "１"])
def test_a_claim_that_is_no_id_is_left_out(world: World, agent: str) -> None:
    given = world.pass_for(agent)
    assert "says" not in jwt.decode(given, options={"verify_signature": False})
    assert world.desk.sign_in({"pass": given}, {}, world.now).claimed_agent is None
    odd = world.desk.sign_in({"pass": forged(world, says=agent)}, {}, world.now)
    assert odd.claimed_agent is None


def test_a_pass_lives_for_two_minutes(world: World) -> None:
    given = world.pass_for("102")
    for seconds, code in [(119, None), (120, "pass_expired"), (7200, "pass_expired")]:
        later = timedelta(seconds=seconds)
        if code is None:
            assert world.desk.sign_in({"pass": given}, {}, world.now + later).agent is None
        else:
            assert refusal(world, given, later=later) == code
    assert world.desk.sign_in({"pass": given}, {}, world.now - timedelta(seconds=5)).agent is None
    assert refusal(world, given, later=timedelta(seconds=-6)) == "pass_refused"


@pytest.mark.parametrize(
    "now", [datetime(2020, 1, 1, tzinfo=UTC), datetime(2090, 1, 1, tzinfo=UTC)]
)
def test_no_clock_but_ours_judges_a_pass(world: World, now: datetime) -> None:
    begins = int(now.timestamp())
    given = forged(world, iat=begins, nbf=begins, exp=begins + PASS_LIFE_SECONDS)
    assert signed_in(APP_SECRET, INSTALLATION, given, now).claimed_agent == "102"


def test_a_pass_may_be_so_long_and_no_longer(world: World) -> None:
    sizes = {len(one): one for one in (forged(world, more="x" * n) for n in range(LONGEST_PASS))}
    longest = sizes[LONGEST_PASS]
    assert signed_in(APP_SECRET, INSTALLATION, longest, world.now).claimed_agent == "102"
    longer = next(one for size, one in sizes.items() if size > LONGEST_PASS)
    assert refusal(world, longer) == "pass_refused"


def test_a_pass_in_the_address_is_none(world: World) -> None:
    with pytest.raises(Refused) as raised:
        world.desk.sign_in({}, {"pass": world.pass_for("102")}, world.now)
    assert raised.value.code == "pass_missing"


def test_one_changed_letter_breaks_a_pass(world: World) -> None:
    given = world.pass_for("102")
    head, body, signature = given.split(".")
    for broken in (
        f"{head}.{body}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}",
        f"{head}.{body[:-2]}.{signature}",
        f"{head}.{body}.",
        f"{head}.{body}",
        given + "x" * 3000,
        "\u00e9" * 20,
    ):
        assert refusal(world, broken) == "pass_refused"


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "makegood-frame:another"},
        {"aud": ["makegood-frame:inst-7f3a", "other"]},
        {"aud": None},
        {"iss": "somebody"},
        {"iss": None},
        {"exp": None},
        {"iat": None},
        {"exp": 4102444800},
        {"iat": 0},
        {"iat": "now"},
        {"exp": "never"},
        {"iat": True, "exp": 121},
    ],
)
def test_a_pass_of_another_form_is_refused(world: World, changed: dict[str, Any]) -> None:
    assert refusal(world, forged(world, **changed)) in {"pass_refused", "pass_expired"}


def test_a_pass_signed_otherwise_is_refused(world: World) -> None:
    claims = jwt.decode(world.pass_for("102"), options={"verify_signature": False})
    for odd in (
        forged(world, key_of(OTHER_SECRET)),
        forged(world, APP_SECRET),
        jwt.encode(claims, "", algorithm="none"),
        jwt.encode(claims, key_of(APP_SECRET) * 2, algorithm="HS512"),
    ):
        assert refusal(world, odd) == "pass_refused"


def test_no_sign_in_calls_the_desk(world: World) -> None:
    world.desk.sign_in(world.first_request(world.agent), {}, world.now)
    refusal(world, forged(world, iss="somebody"))
    assert world.fake.seen == []
