"""What a sold thing opens, as the admin told us."""

from __future__ import annotations

import pytest

from plugin.domain.access_map import AccessMap
from plugin.domain.errors import InvalidInput
from tests.factories import STORE, a_bundle, a_course, a_tag


def test_the_map_tells_what_was_said_and_nothing_else() -> None:
    access = AccessMap(
        products={(STORE, "p"): (a_course(),)},
        bundles={a_bundle(): (a_course("c2"),)},
        tags={a_tag(): (a_course("c3"), a_bundle("b2"))},
    )

    assert access.given_by(STORE, "p") == (a_course(),)
    assert access.given_by("other-store", "p") is None
    assert access.inside(a_bundle()) == (a_course("c2"),)
    assert access.inside(a_bundle("b2")) is None
    assert access.opened_by(a_tag()) == (a_course("c3"), a_bundle("b2"))
    assert access.opened_by(a_tag("t2")) == ()


def test_a_product_may_give_nothing_which_is_not_unknown() -> None:
    assert AccessMap(products={(STORE, "p"): ()}).given_by(STORE, "p") == ()


def test_a_tag_opens_no_other_tag() -> None:
    with pytest.raises(InvalidInput, match="t1 may not open another tag"):
        AccessMap(tags={a_tag(): (a_tag("t2"),)})


def test_only_a_tag_opens_what_a_tag_opens() -> None:
    with pytest.raises(InvalidInput, match="course c1 is not a tag"):
        AccessMap(tags={a_course(): ()})


def test_only_a_bundle_holds_courses() -> None:
    with pytest.raises(InvalidInput, match="tag t1 is not a bundle"):
        AccessMap(bundles={a_tag(): ()})


@pytest.mark.parametrize("inside", [a_bundle("b2"), a_tag()])
def test_a_bundle_holds_no_bundle_and_no_tag(inside: object) -> None:
    with pytest.raises(InvalidInput, match="b1 may hold no bundle and no tag"):
        AccessMap(bundles={a_bundle(): (inside,)})  # type: ignore[dict-item]  # either is a Resource
