"""One-time links and sessions of the admin."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, text

from plugin.ports.records import SignInPurpose, StoredSignIn, Tenant
from plugin.services.sign_in_admin import LINK_LIFE, SESSION_LIFE, Session, SignInAdmin, hashed
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import NOW, ago, soon
from tests.services.connecting_fakes import CountingMint


@pytest.fixture
def sign_in(storage: SqlStorage) -> SignInAdmin:
    return SignInAdmin(storage, CountingMint())


def _token(sign_in: SignInAdmin, tenant: Tenant) -> str:
    return sign_in.make_link(tenant.id, "https://refunds.example", NOW).partition("link=")[2]


def _session(sign_in: SignInAdmin, tenant: Tenant) -> Session:
    session = sign_in.spend_link(_token(sign_in, tenant), NOW)
    assert session is not None
    return session


def test_a_link_opens_one_session(sign_in: SignInAdmin, tenant: Tenant) -> None:
    link = sign_in.make_link(tenant.id, "https://refunds.example", NOW)
    assert link == "https://refunds.example/admin/sign-in?link=secret-1"
    session = sign_in.spend_link("secret-1", NOW)
    assert session == Session(tenant.id, NOW + SESSION_LIFE, "secret-2")
    assert sign_in.read_session("secret-2", NOW) == session
    assert sign_in.spend_link("secret-1", NOW) is None


def test_looking_at_a_link_spends_nothing(sign_in: SignInAdmin, tenant: Tenant) -> None:
    token = _token(sign_in, tenant)
    assert sign_in.is_good_link(token, NOW)
    assert sign_in.is_good_link(token, NOW)
    assert sign_in.spend_link(token, NOW) is not None
    assert not sign_in.is_good_link(token, NOW)


def test_a_link_lives_fifteen_minutes(sign_in: SignInAdmin, tenant: Tenant) -> None:
    token = _token(sign_in, tenant)
    assert sign_in.is_good_link(token, soon(minutes=14, seconds=59))
    assert not sign_in.is_good_link(token, NOW + LINK_LIFE)
    assert sign_in.spend_link(token, NOW + LINK_LIFE) is None


def test_a_session_lives_twelve_hours(sign_in: SignInAdmin, tenant: Tenant) -> None:
    session = _session(sign_in, tenant)
    assert sign_in.read_session(session.token, soon(hours=11, minutes=59)) is not None
    assert sign_in.read_session(session.token, NOW + SESSION_LIFE) is None


def test_signing_out_ends_it_on_our_side(sign_in: SignInAdmin, tenant: Tenant) -> None:
    session = _session(sign_in, tenant)
    sign_in.end_session(session, NOW)
    assert sign_in.read_session(session.token, NOW) is None


def test_links_and_sessions_do_not_stand_for_each_other(
    sign_in: SignInAdmin, tenant: Tenant
) -> None:
    session = _session(sign_in, tenant)
    assert not sign_in.is_good_link(session.token, NOW)
    assert sign_in.spend_link(session.token, NOW) is None
    assert sign_in.read_session(_token(sign_in, tenant), NOW) is None


@pytest.mark.parametrize("token", ["", "x" * 201, "unknown", "\udcff", "ä"])
def test_odd_tokens_open_nothing(sign_in: SignInAdmin, token: str) -> None:
    assert sign_in.read_session(token, NOW) is None


def test_of_two_presses_one_wins(
    sign_in: SignInAdmin, storage: SqlStorage, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = _token(sign_in, tenant)
    first = storage.find_sign_in(hashed(token))
    sign_in.spend_link(token, NOW)
    # The second press has read the link before the first one spent it.
    monkeypatch.setattr(storage, "find_sign_in", lambda _: first)
    assert sign_in.spend_link(token, NOW) is None


def test_no_token_is_kept(sign_in: SignInAdmin, engine: Engine, tenant: Tenant) -> None:
    session = _session(sign_in, tenant)
    with engine.connect() as db:
        rows = db.execute(text("SELECT * FROM mg_sign_ins")).all()
    assert len(rows) == 2
    assert "secret-" not in str(rows)
    assert session.token not in repr(session)


def test_rows_that_expired_long_ago_go(
    sign_in: SignInAdmin, storage: SqlStorage, tenant: Tenant
) -> None:
    old = StoredSignIn(tenant.id, "old", SignInPurpose.SESSION, ago(days=30))
    with storage.begin(tenant.id) as uow:
        uow.sign_ins.add(old)
        uow.commit()
    assert storage.find_sign_in("old") == old
    _token(sign_in, tenant)
    assert storage.find_sign_in("old") is None
