"""The panel as an HTML page: a pure function of its view model.

It reads no clock, store or session, and decides nothing. The page carries no inline script and no
inline style, so that a strict Content-Security-Policy holds.

The contract between this page and whoever answers its forms
------------------------------------------------------------

Every form posts to ``<base>/<name>`` as ``application/x-www-form-urlencoded``, with or without
script. **Every answer is the whole page** (`render_panel` of what is true now). Without script the
browser shows it; with script htmx takes ``#panel`` out of it and morphs the standing one into it,
element by element and id by id, so that nothing jumps, focus and open details stay, and an
unchanged panel does not move.

============  ====================================  ==================================
form          fields besides ``session``            means
============  ====================================  ==================================
``orders``    the choice, if an order is open       read the stores again
``order``     ``order``, ``again`` (yes)            open this order; again: to refund more
``plan``      the choice (below)                    work the plan out again
``refund``    the choice, ``plan``, ``hash``        carry the plan out
``undo``      ``order``, ``refund``                 send nothing
``timeline``  ``order``, ``refund``                 how far is it?
``look``      ``order``, ``refund``                 ask the gateway now
``attest``    ``order``, ``refund``, ``found``      it was paid by hand (or: nothing was)
``steps``     the choice, each ticked ``step``      keep the guided steps (full set)
``search``    ``q``                                 another e-mail or order number
``prove``     ``order``, ``proof``                  one more proof of who it is
``pair``      none                                  was the agent proven meanwhile? (204: no)
============  ====================================  ==================================

The choice is ``order``, ``line`` (each ticked one), ``amount`` (full | lines | free | prorata),
``free`` (what was typed), ``reason`` and ``sub`` (stop | keep). After "changed since you looked"
the choice is absent and only ``order``, ``plan`` and ``hash`` come. Where the choice comes with
``refund`` and differs from the plan's, the plan must be refused as changed: without script an agent
can tick something and press the button unseen.

* **Who asks.** Every form has the hidden field ``session``; htmx requests also carry it as
  ``Authorization: Bearer`` from ``<meta name="session">``. A newer token in the answer's header
  ``X-Makegood-Session`` replaces it everywhere on the page. There are no cookies.
* **Who the agent is.** Where the desk does not say, `Panel.pairing` offers ``pairing``: the one
  form that opens a window, without htmx.
* **Status.** 200, 409 (changed, or someone else was first) and 422 (a typed value is wrong) carry a
  page and are shown. Other answers are not shown as a page: 401 means the session ended, other 4xx
  that it was not accepted, anything else that we cannot tell; the panel says so and keeps standing.
* **Waiting.** A state with ``ask_again_ms`` asks ``timeline`` (or ``orders`` while the list fills)
  again after that time, as often as the answer still says so. A newer click replaces a waiting
  look.
* **Scripts.** A desk's bridge stands before the panel's script and may set
  ``window.makegood = {onResize}``.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Final, assert_never

from plugin.web.views.panel_blocks import (
    AmountKind,
    LotKind,
    Step,
    TimelineState,
)
from plugin.web.views.panel_parts import (
    Copy,
    Icon,
    Link,
    MatchStrength,
    Press,
    Tone,
    VerdictKind,
)
from plugin.web.views.panel_view import (
    ByHand,
    ChangedSince,
    DisputeOpen,
    Done,
    NothingFound,
    OpenOrder,
    OrderList,
    Panel,
    PanelState,
    StoreOffline,
    TenSeconds,
    Told,
    UnderWay,
    WeakMatch,
)
from plugin.web.views.panel_words import word

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2 import Environment

PAGE: Final = "panel/page.html"

LONGEST_BAR: Final = 36
"""Periods drawn as a bar; beyond it a segment is thinner than its own edge."""

VERDICT_LOOK: Final[Mapping[VerdictKind, tuple[Tone, Icon | str]]] = {
    VerdictKind.ELIGIBLE: (Tone.GOOD, Icon.YES),
    VerdictKind.IN_PART: (Tone.GOOD, "half"),
    VerdictKind.NOT_ELIGIBLE: (Tone.BAD, Icon.NO),
    VerdictKind.NEEDS_REVIEW: (Tone.WARN, Icon.LOOK),
    VerdictKind.UNKNOWN: (Tone.UNKNOWN, Icon.UNKNOWN),
}

LOT_LOOK: Final[Mapping[LotKind, tuple[str, str]]] = {
    LotKind.GOES: ("", "go"),
    LotKind.STAYS: ("stay", "stay"),
    LotKind.UNKNOWN: ("huh", "unk"),
}

_HIDDEN_CONTROLS: Final = (
    *range(0x202A, 0x202F),  # embeddings and overrides: "annexe\u202efdp.exe" reads backwards
    *range(0x2066, 0x206A),  # isolates
    0x200B,  # zero-width space
    0x2060,  # word joiner
    0xFEFF,  # zero-width no-break space
)
SHOWN: Final = {
    code: f"\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}U+{code:04X}"
    "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}"
    for code in _HIDDEN_CONTROLS
}
"""What to show in place of a character that turns or hides text, for `str.translate`."""
_HIDDEN: Final = re.compile(f"[{''.join(map(chr, SHOWN))}]")


def render_panel(
    panel: Panel, env: Environment, page_name: str = PAGE, beside: object | None = None
) -> str:
    """The whole page as text.

    `page_name` is a desk's own page around the panel, `beside` what that page shows as `desk`.
    `env` finds ``panel/page.html`` (the templates of `plugin.web`) and escapes ``.html`` by itself.
    Characters that change the direction of text or have no width are made visible: a customer's
    name must not be able to rewrite the amount beside it.

    Raises:
        ValueError: `env` does not escape HTML.
    """
    if not (env.autoescape is True or (callable(env.autoescape) and env.autoescape(PAGE))):
        message = "the panel needs an environment that escapes .html templates"
        raise ValueError(message)
    frame = panel.frame
    page = env.get_template(page_name).render(
        panel=panel,
        desk=beside,
        frame=frame,
        state=panel.state,
        state_template=state_template(panel.state),
        base=frame.base,
        session=frame.session,
        t=partial(word, frame.locale),
        verdict_look=VERDICT_LOOK,
        lot_look=LOT_LOOK,
        longest_bar=LONGEST_BAR,
        all_steps=tuple(Step),
        AmountKind=AmountKind,
        Copy=Copy,
        Link=Link,
        MatchStrength=MatchStrength,
        Press=Press,
        TimelineState=TimelineState,
        is_link=lambda action: isinstance(action, Link),
        is_copy=lambda action: isinstance(action, Copy),
    )
    # A page has hardly ever any: to look for them costs far less than translating it all.
    return _HIDDEN.sub(lambda found: SHOWN[ord(found[0])], page)


def state_template(state: PanelState) -> str:  # noqa: C901, PLR0911, PLR0912 - one name per state
    """The template that draws `state`."""
    match state:
        case WeakMatch():
            return "panel/weak_match.html"
        case NothingFound():
            return "panel/nothing_found.html"
        case OrderList():
            return "panel/order_list.html"
        case StoreOffline():
            return "panel/store_offline.html"
        case OpenOrder():
            return "panel/open_order.html"
        case ChangedSince():
            return "panel/changed_since.html"
        case TenSeconds():
            return "panel/ten_seconds.html"
        case UnderWay():
            return "panel/under_way.html"
        case ByHand():
            return "panel/by_hand.html"
        case Done():
            return "panel/done.html"
        case DisputeOpen():
            return "panel/dispute_open.html"
        case Told():
            return "panel/told.html"
        case _:
            assert_never(state)
