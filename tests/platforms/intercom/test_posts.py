"""The signature over a post, and what is read from one: vectors, hostile bodies, odd shapes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.domain.errors import Refused
from plugin.helpdesks.intercom.posts import read_signed_post
from plugin.ports.canvas import CanvasPost
from tests.platforms.intercom.data import AGENT, CLIENT_SECRET, WORKSPACE
from tests.platforms.intercom.posts import post_of, signature, signed

VECTORS = Path(__file__).parents[4] / "shared/specs/_vectors_helpdesks/signature_vectors.json"


def read(body: bytes, given: str | None = None, secret: str = CLIENT_SECRET) -> CanvasPost:
    said = signature(body, secret) if given is None else given
    return read_signed_post(body, {"x-body-signature": said}, secret, WORKSPACE)


def read_post(**more: Any) -> CanvasPost:  # noqa: ANN401 - hostile values too
    return read(signed({**post_of(conversation="5001"), **more})[0])


def code_of(body: bytes, given: str | None = None, secret: str = CLIENT_SECRET) -> str:
    with pytest.raises(Refused) as raised:
        read(body, given, secret)
    return raised.value.code


@pytest.mark.skipif(not VECTORS.is_file(), reason="the vectors (../shared/specs) are not here")
def test_the_known_answer_is_known() -> None:
    found = json.loads(VECTORS.read_text("utf-8"))["vectors"]
    vector = next(one for one in found if one["name"] == "intercom_canvas_kit")
    body = vector["body_utf8"].encode()
    said = {name.lower(): value for name, value in vector["headers"].items()}
    post = read_signed_post(body, said, vector["secret"], "abc123")
    assert (post.agent, post.pressed) == ("814860", "approve")
    assert post.values == {"amount": ("12.50",)}


def test_a_post_is_read_once_it_is_signed() -> None:
    stored = {"ticket": "5001", "number": "7", "odd": 3}
    post = read_post(
        component_id="refund:abc",
        input_values={"line": ["a", "b"], "free": "1.00", "q": "", "sub": None, "none": []},
        current_canvas={"content": {}, "stored_data": stored},
    )
    assert (post.agent, post.ticket, post.pressed) == (str(AGENT), "5001", "refund:abc")
    assert post.values == {"line": ("a", "b"), "free": ("1.00",)}
    assert post.kept == {"ticket": "5001", "number": "7"}
    assert "1.00" not in repr(post)


def test_a_post_of_an_old_app_names_its_workspace_otherwise() -> None:
    document = post_of()
    del document["workspace_id"]
    assert read(signed({**document, "app_id": WORKSPACE})[0]).agent == str(AGENT)


def test_what_opens_a_panel_presses_nothing() -> None:
    assert read(signed(post_of(conversation="5001"))[0]).pressed == ""


def test_an_agent_is_named_by_text_or_by_number() -> None:
    assert read_post(admin={"type": "admin", "id": 17}).agent == "17"


def test_a_panel_may_stand_beside_no_conversation() -> None:
    assert read(signed(post_of())[0]).ticket is None
    assert read_post(context=None).ticket == "5001"
    assert read_post(conversation=None).ticket == "5001"


def test_a_byte_changed_is_not_signed() -> None:
    body, _ = signed(post_of(conversation="5001"))
    right = signature(body)
    for place in range(0, len(body), 7):
        changed = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        assert code_of(changed, right) == "signature_wrong"


@pytest.mark.parametrize(
    "said",
    [
        "0" * 64,
        "x",
        "sha256=" + "0" * 57,
        "0" * 63,
        "0" * 65,
        "é" * 64,
        "0" * 64 + "\n",
    ],
)
def test_another_signature_is_refused(said: str) -> None:
    assert code_of(signed(post_of())[0], said) == "signature_wrong"


def test_the_signature_in_capitals_is_another_one() -> None:
    body, _ = signed(post_of())
    assert code_of(body, signature(body).upper()) == "signature_wrong"


def test_a_missing_signature_and_an_empty_secret_are_refused() -> None:
    body, _ = signed(post_of())
    assert code_of(body, "") == "signature_missing"
    with pytest.raises(Refused) as raised:
        read_signed_post(body, {}, CLIENT_SECRET, WORKSPACE)
    assert raised.value.code == "signature_missing"
    assert code_of(body, signature(body, " "), " ") == "signature_wrong"
    assert code_of(body, signature(body, "other")) == "signature_wrong"


@pytest.mark.parametrize("workspace", ["other", "", None, f"{WORKSPACE} ", "é"])
def test_another_workspace_of_the_same_app_is_refused(workspace: str | None) -> None:
    assert code_of(signed(post_of(workspace_id=workspace))[0]) == "workspace_wrong"


@pytest.mark.parametrize(
    "more",
    [
        {"admin": None},
        {"admin": {"type": "admin"}},
        {"admin": {"id": "0"}},
        {"admin": {"id": "../me"}},
        {"admin": {"id": True}},
        {"conversation": {"id": "../5001"}},
        {"context": {"conversation_id": "5001?x=1"}},
        {"conversation": []},
        {"input_values": []},
        {"input_values": {"amount": 12.5}},
        {"input_values": {"line": [1]}},
        {"input_values": {"line": {"a": "b"}}},
        {"component_id": 7},
        {"current_canvas": "x"},
        {"workspace_id": 7},
    ],
)
def test_a_post_of_another_shape_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(Refused) as raised:
        read_post(**more)
    assert raised.value.code == "post_unreadable"


def test_a_post_that_names_two_conversations_is_refused() -> None:
    with pytest.raises(Refused) as raised:
        read_post(context={"conversation_id": "5002"})
    assert raised.value.code == "conversation_unclear"


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"7", b"{", b'{"a":1,"a":2}', b"\xff", b'{"a":NaN}', b"[" * 5000, b'"\\ud800"'],
)
def test_a_signed_body_that_is_no_post_is_refused(body: bytes) -> None:
    assert code_of(body) == "post_unreadable"


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_but_a_refusal(body: bytes) -> None:
    with pytest.raises(Refused):
        read(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    st.dictionaries(
        st.sampled_from(
            ["admin", "conversation", "context", "input_values", "current_canvas", "component_id"]
        ),
        JSON,
    )
)
def test_no_shape_raises_anything_but_a_refusal(changed: dict[str, Any]) -> None:
    try:
        post = read_post(**changed)
    except Refused:
        return
    assert all(isinstance(one, str) for texts in post.values.values() for one in texts)
