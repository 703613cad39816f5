"""Nobody opens the frame with a token that Zendesk did not sign for this installation, now."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from plugin.domain.errors import Refused, RetryLater
from plugin.domain.ids import AgentId
from plugin.helpdesks.zendesk.sign_in import REFETCH_PAUSE, read_public_key
from tests.platforms.zendesk import tokens
from tests.platforms.zendesk.data import AGENT, APP, APP_INSTALLATION
from tests.platforms.zendesk.fake import Mishap
from tests.platforms.zendesk.world import INSTALLATION, World, running_world

KEY_PATH = f"/api/v2/apps/{APP}/public_key.pem"


def sign_in(world: World, token: str, *, later: timedelta = timedelta()) -> AgentId | None:
    return world.desk.sign_in({"token": token}, {}, world.now + later).agent


def refusal(world: World, token: str, *, later: timedelta = timedelta()) -> str:
    with pytest.raises(Refused) as raised:
        sign_in(world, token, later=later)
    return raised.value.code


def key_reads(world: World) -> int:
    return world.fake.calls().count(f"GET {KEY_PATH}")


def test_a_good_token_names_its_agent_and_no_ticket(world: World) -> None:
    found = world.desk.sign_in({"token": world.fake.token(), "ticket": "1"}, {"x": "y"}, world.now)
    assert (found.agent, found.ticket, found.ticket_proven) == (str(AGENT), None, False)


@pytest.mark.parametrize(
    "subject",
    [str(AGENT), f"https://acme.zendesk.com/api/v2/users/{AGENT}", None],
)
def test_the_agent_is_read_in_each_form_seen(world: World, subject: str | None) -> None:
    changed = {} if subject is None else {"sub": subject}
    assert sign_in(world, world.fake.token(**changed)) == str(AGENT)


def test_the_key_is_read_without_our_token_and_kept(world: World) -> None:
    sign_in(world, world.fake.token())
    sign_in(world, world.fake.token())
    assert [(one.path, one.authorized) for one in world.fake.seen] == [(KEY_PATH, False)]


HOSTILE: dict[str, Callable[[World], str]] = {
    "alg none": lambda world: tokens.unsigned(tokens.claims(world.now)),
    "alg None": lambda world: tokens.unsigned(tokens.claims(world.now), "None"),
    "no alg": lambda world: tokens.unsigned(tokens.claims(world.now), ""),
    "HS256 with the public PEM": lambda world: tokens.sign_with_public_key(
        world.fake.key, tokens.claims(world.now)
    ),
    "another key": lambda world: tokens.sign(tokens.new_key(), tokens.claims(world.now)),
    "another key named in jku": lambda world: tokens.sign(
        tokens.new_key(),
        tokens.claims(world.now, cnf={"jku": "https://evil.example/key.pem"}),
        {"jku": "https://evil.example/key.pem", "kid": "../../evil", "x5u": "https://evil.example"},
    ),
    "critical header": lambda world: tokens.sign(
        world.fake.key, tokens.claims(world.now), {"crit": ["b64"], "b64": True}
    ),
    "no token at all": lambda _: "a.b.c",
    "not even parts": lambda _: "\x00" * 20,
    "endless": lambda world: world.fake.token(padding="x" * 20_000),
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_token_that_zendesk_did_not_sign_is_refused(
    world: World, make: Callable[[World], str]
) -> None:
    assert refusal(world, make(world)) == "token_refused"
    assert {one.path for one in world.fake.seen} <= {KEY_PATH}


@pytest.mark.parametrize("name", [name for name in HOSTILE if "key" not in name])
def test_a_token_of_another_kind_makes_us_call_nobody(world: World, name: str) -> None:
    refusal(world, HOSTILE[name](world))
    assert world.fake.seen == []


ACCOUNT = "https://acme.zendesk.com/api/v2"
GOOD_AUDIENCE = f"{ACCOUNT}/apps/installations/{APP_INSTALLATION}.json"
ODD_CLAIMS: dict[str, dict[str, Any]] = {
    "another installation": {"aud": f"{ACCOUNT}/apps/installations/8202.json"},
    "another account in aud": {"aud": GOOD_AUDIENCE.replace("acme", "evil")},
    "a list of audiences": {"aud": [GOOD_AUDIENCE]},
    "http audience": {"aud": GOOD_AUDIENCE.replace("https", "http")},
    "no audience": {"aud": None},
    "another issuer": {"iss": "evil.zendesk.com"},
    "issuer with a scheme": {"iss": "https://acme.zendesk.com"},
    "a list of issuers": {"iss": ["acme.zendesk.com"]},
    "no issuer": {"iss": None},
    "no expiry": {"exp": None},
    "no issue time": {"iat": None},
    "expiry as text": {"exp": "1900000000"},
    "expiry as truth": {"exp": True},
    "another location": {"context": {"product": "support", "location": "top_bar"}},
    "another product": {"context": {"product": "chat", "location": "ticket_sidebar"}},
    "no context": {"context": None},
    "context as text": {"context": "ticket_sidebar"},
    "no subject": {"sub": None},
    "a subject elsewhere": {"sub": "https://evil.zendesk.com/api/v2/users/102.json"},
    "a subject with more": {"sub": f"{ACCOUNT}/users/102.json/../103"},
    "a subject with a line": {"sub": "102\n"},
    "a subject of zero": {"sub": "0"},
}


@pytest.mark.parametrize("changed", ODD_CLAIMS.values(), ids=ODD_CLAIMS.keys())
def test_a_signed_token_for_something_else_is_refused(
    world: World, changed: dict[str, Any]
) -> None:
    said = tokens.claims(world.now, **changed)
    assert refusal(world, tokens.sign(world.fake.key, said)) == "token_refused"


def test_a_token_ends_half_a_minute_after_its_time(world: World) -> None:
    token = world.fake.token()
    assert sign_in(world, token, later=timedelta(seconds=tokens.LIFE_SECONDS + 29)) is not None
    late = timedelta(seconds=tokens.LIFE_SECONDS + 30)
    assert refusal(world, token, later=late) == "token_expired"


@pytest.mark.parametrize("name", ["iat", "nbf"])
def test_a_token_from_the_future_is_refused(world: World, name: str) -> None:
    soon = int(world.now.timestamp()) + 31
    token = world.fake.token(**{name: soon})
    assert refusal(world, token) == "token_refused"
    assert sign_in(world, token, later=timedelta(seconds=1)) is not None


@pytest.mark.parametrize("life", [0, -1, 901, 10**9])
def test_a_token_of_an_odd_life_is_refused(world: World, life: int) -> None:
    begins = int(world.now.timestamp())
    assert refusal(world, world.fake.token(exp=begins + life)) == "token_refused"


def test_without_a_token_nothing_is_asked(world: World) -> None:
    assert refusal(world, "") == "token_missing"
    assert world.fake.seen == []


def test_before_the_app_is_finished_the_frame_says_what_to_run(world: World) -> None:
    for missing in ({"app_id": ""}, {"app_installation_id": ""}, {"app_id": "../users"}):
        with pytest.raises(Refused, match="connect zendesk --finish") as raised:
            world.connected(**missing).sign_in({"token": world.fake.token()}, {}, world.now)
        assert raised.value.code == "app_not_finished"
    assert world.fake.seen == []


# --- the app's key --------------------------------------------------------------------------------


def test_a_rotated_key_is_read_again_once(world: World) -> None:
    old = world.fake.token()
    sign_in(world, old)
    world.fake.key = tokens.new_key()
    world.fake.account.now += timedelta(minutes=5)
    assert sign_in(world, world.fake.token()) == str(AGENT)
    assert refusal(world, old) == "token_refused"
    assert key_reads(world) == 2


def test_wrong_signatures_make_us_read_the_key_every_five_minutes_only(world: World) -> None:
    sign_in(world, world.fake.token())
    forged = tokens.sign(tokens.new_key(), tokens.claims(world.now))
    for _ in range(5):
        assert refusal(world, forged) == "token_refused"
    assert key_reads(world) == 1
    for _ in range(5):
        refusal(world, forged, later=timedelta(minutes=5))
    assert key_reads(world) == 2


def test_a_wrong_signature_stays_one_while_the_key_cannot_be_read_anew(world: World) -> None:
    sign_in(world, world.fake.token())
    world.fake.account.now += REFETCH_PAUSE
    forged = tokens.sign(tokens.new_key(), tokens.claims(world.now))
    world.fake.mishaps.append(Mishap(path="public_key", status=503))
    assert refusal(world, forged) == "token_refused"
    assert key_reads(world) == 2


def test_a_key_is_read_anew_every_hour(world: World) -> None:
    sign_in(world, world.fake.token())
    world.fake.account.now += timedelta(hours=1)
    sign_in(world, world.fake.token())
    assert key_reads(world) == 2


def test_a_key_that_cannot_be_read_is_no_sign_in_and_is_asked_for_again_later(
    world: World,
) -> None:
    token = world.fake.token()
    world.fake.mishaps.append(Mishap(path="public_key", status=503))
    with pytest.raises(RetryLater):
        sign_in(world, token)
    with pytest.raises(RetryLater) as raised:
        sign_in(world, token, later=timedelta(seconds=100))
    assert raised.value.code == "app_key_unknown"
    assert raised.value.after_seconds in (199, 200)
    assert key_reads(world) == 1
    world.fake.account.now += timedelta(minutes=5)
    world.fake.mishaps.append(Mishap(path="public_key", status=404))
    assert refusal(world, world.fake.token()) == "app_key_missing"
    world.fake.account.now += timedelta(minutes=5)
    assert sign_in(world, world.fake.token()) == str(AGENT)


def test_forged_tokens_ask_once_while_the_key_cannot_be_read(world: World) -> None:
    forged = tokens.sign(tokens.new_key(), tokens.claims(world.now))
    for _ in range(50):
        world.fake.mishaps.append(Mishap(path="public_key", status=503))
        with pytest.raises(RetryLater):
            sign_in(world, forged)
    assert key_reads(world) == 1


def test_forged_tokens_of_many_at_once_ask_once(world: World) -> None:
    forged = tokens.sign(tokens.new_key(), tokens.claims(world.now))
    asked = threading.Barrier(8)

    def post(_: int) -> str:
        asked.wait()
        try:
            sign_in(world, forged)
        except (Refused, RetryLater) as error:
            return error.code
        return "signed in"

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(post, range(8)))
    assert answers <= {"token_refused", "app_key_unknown"}
    assert key_reads(world) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": f"{ACCOUNT}/apps/installations/8202.json"},
        {"iss": "evil.zendesk.com"},
        {"exp": 1},
        {"sub": None},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_token_that_could_not_be_meant_for_us_makes_us_call_nobody(
    world: World, changed: dict[str, Any]
) -> None:
    said = tokens.claims(world.now, **changed)
    assert refusal(world, tokens.sign(tokens.new_key(), said)) == "token_refused"
    assert world.fake.seen == []


# --- the key that finishing kept ------------------------------------------------------------------


@pytest.fixture
def finished(world: World) -> World:
    """A process that began after finishing: it knows what is stored, and nothing else."""
    world.fake.account.install_app(INSTALLATION)
    found = world.connected(app_id="", app_installation_id="").finish()
    world.desk = world.connected(**found)
    world.fake.seen.clear()
    return world


def test_a_process_that_just_began_lets_agents_in_without_asking_for_the_key(
    finished: World,
) -> None:
    assert sign_in(finished, finished.fake.token()) == str(AGENT)
    assert finished.fake.seen == []


def test_a_kept_key_is_read_anew_after_its_hour_for_an_agent_and_not_for_a_stranger(
    finished: World,
) -> None:
    finished.fake.account.now += timedelta(hours=1)
    assert refusal(finished, tokens.sign(tokens.new_key(), tokens.claims(finished.now)))
    assert key_reads(finished) == 1, "a stranger asks once: the key may have been replaced"
    finished.fake.account.now += timedelta(hours=1)
    sign_in(finished, finished.fake.token())
    sign_in(finished, finished.fake.token())
    assert key_reads(finished) == 2


def test_a_withdrawn_key_ends_although_it_was_kept(finished: World) -> None:
    old = finished.fake.key
    finished.fake.key = tokens.new_key()
    finished.fake.account.now += timedelta(hours=1)
    assert refusal(finished, tokens.sign(old, tokens.claims(finished.now))) == "token_refused"


def test_a_key_kept_by_finishing_again_counts_at_once(finished: World) -> None:
    sign_in(finished, finished.fake.token())
    finished.fake.key = tokens.new_key()
    finished.fake.account.now += timedelta(seconds=1)
    finished.desk = finished.connected(**finished.desk.finish())
    finished.fake.seen.clear()
    assert sign_in(finished, finished.fake.token()) == str(AGENT)
    assert finished.fake.seen == []


def test_only_a_long_rsa_key_is_a_key() -> None:
    curve = ec.generate_private_key(ec.SECP256R1()).public_key()
    short = tokens.public_pem(tokens.new_key(1024))
    other = curve.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for pem in (b"", b"<html>", short, other):
        with pytest.raises(Refused):
            read_public_key(pem)


@pytest.fixture(scope="module")
def signed() -> Iterator[tuple[World, str]]:
    with running_world() as world:
        yield world, world.fake.token()


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_one_changed_character_breaks_a_token(
    signed: tuple[World, str], data: st.DataObject
) -> None:
    world, good = signed
    # Not the last character: two of its bits are unused, so another one may mean the same bytes.
    place = data.draw(st.integers(0, len(good) - 2))
    letter = data.draw(st.sampled_from("Aaz09-_.").filter(lambda sign: sign != good[place]))
    assert refusal(world, good[:place] + letter + good[place + 1 :]) == "token_refused"
