"""Every place of the product that commits: killed by the harness, or spared for a reason.

Read from the source, so that a new one cannot be forgotten: it stands in neither table, and a test
says so. What is in `KILLED` must be passed by a run at all named points. Storage, which is below
the commits, is left out: there kills come in system calls.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from tests.kill.peers import ROOT

KILLED = frozenset(
    {
        "plugin.services.ask_for_others:AskForOthers.__call__",
        "plugin.services.carry_out:CarryOut.__call__",
        "plugin.services.carry_out:CarryOut._begin",
        "plugin.services.decide_refund:DecideRefund.__call__",
        "plugin.services.decide_refund:UndoRefund.__call__",
        "plugin.services.examine_drift:ExamineDrift.look_at",
        "plugin.services.find_orders:FindOrders.__call__",
        "plugin.services.plan_refund:PlanRefund.__call__",
        "plugin.services.restored_house:EndHold.__call__",
        "plugin.services.restored_house:HoldOlder.__call__",
        "plugin.services.send_refund:SendRefund.__call__",
        "plugin.services.sweep_account:SweepAccount._claim",
        "plugin.services.sweep_account:SweepSoon.__call__",
        "plugin.services.sweep_account:_Run._save",
        "plugin.services.sweep_account:_Run._take_in",
        "plugin.web.panel_flow:PanelFlow.attest",
        "plugin.web.panel_flow:PanelFlow.look",
        "plugin.web.panel_flow:PanelFlow.steps",
        "webhooks.dispatch:Dispatch._apply",
        "webhooks.dispatch:Dispatch._settle",
    }
)
"""Functions on the way of refunds and events: each of their commits is a point."""

_FORM = "a form of the admin's: one commit, and sent again it says the same or that it is done"
_SIGN_IN = "a way in: no money and no event hangs on it, and who lost it asks for another"
_PAIRING = "pairing an agent's browser: one commit each, and who lost the answer pairs again"
_CONNECTING = "an account that is being connected: nothing is refunded there before it is"
_COMMAND = "the operator's, at a first start or by command: given again it finds what is left"
_SELF_TEST = "a line of a self-test, claimed for a while only: whoever looks next does it again"
_KEYS = (
    "no account of the scene has keys that run out; the claim is a lease, after which the next "
    "caller renews: tests/services/test_renew_keys.py"
)
SPARED = {
    "plugin.web.panel_flow:PanelFlow._keep_reason": "a word that comes with a press, before it: "
    "killed there nothing was decided, and the press says it again",
    "plugin.commands.copies:_Preparing.__call__": _COMMAND,
    "plugin.commands.copies:release_holds": _COMMAND,
    "plugin.first_start:_start_policy": _COMMAND,
    "plugin.practice:_make": "the practice house, in one commit: nothing there is real",
    "plugin.services.close_by_hand:CloseDelivery.__call__": _FORM,
    "plugin.services.close_by_hand:CloseEffect.__call__": _FORM,
    "plugin.services.connect_platform:ConnectPlatform.__call__": _CONNECTING,
    "plugin.services.describe_shop:DescribeShop.__call__": _FORM,
    "plugin.services.examine_drift:CloseDrift.__call__": _FORM,
    "plugin.services.finish_install:FinishInstall.__call__": _CONNECTING,
    "plugin.services.keep_webhook:KeepWebhook._change": (
        "no store of the scene switches webhooks off; what the platform has is compared again by "
        "the next sweep: tests/services/test_keep_webhook.py"
    ),
    "plugin.services.mail_pairing:MailPairing._move": _PAIRING,
    "plugin.services.pair_agent:AskForPairing.__call__": _PAIRING,
    "plugin.services.pair_agent:AskForPairing.go_on": _PAIRING,
    "plugin.services.pair_agent:PairAgent.__call__": _PAIRING,
    "plugin.services.pair_agent:PairAgent._refused": _PAIRING,
    "plugin.services.pair_agent:revoke_pairing": _PAIRING,
    "plugin.services.pending_install:InstallByWay._keep": _CONNECTING,
    "plugin.services.pending_install:InstallByWay._move": _CONNECTING,
    "plugin.services.pending_install:InstallByWay.begin": _CONNECTING,
    "plugin.services.read_moment:ReadMoment.__call__": (
        "nothing in the scene ends with time; a moment stays due until what follows is done, and "
        "read again it finds what is written: tests/services/test_ask_for_others.py"
    ),
    "plugin.services.renew_keys:RenewKeys._give_up": _KEYS,
    "plugin.services.renew_keys:RenewKeys._keep": _KEYS,
    "plugin.services.renew_keys:RenewKeys.renewed": _KEYS,
    "plugin.services.replay_delivery:ReplayDelivery.__call__": _FORM,
    "plugin.services.replay_effect:ReplayEffect.__call__": _FORM,
    "plugin.services.run_self_test:RunSelfTest._claimed": _SELF_TEST,
    "plugin.services.run_self_test:RunSelfTest._keep": _SELF_TEST,
    "plugin.services.run_self_test:RunSelfTest.restart": _SELF_TEST,
    "plugin.services.save_access_map:_kept": _FORM,
    "plugin.services.sign_in_admin:SignInAdmin.end_session": _SIGN_IN,
    "plugin.services.sign_in_admin:SignInAdmin.make_link": _SIGN_IN,
    "plugin.services.sign_in_admin:SignInAdmin.spend_link": _SIGN_IN,
    "plugin.services.start_policy:StartPolicy.__call__": _FORM,
    "plugin.services.sweep_account:SweepAccount.now": "`makegood sweep`: it wakes the row, no more",
    "plugin.services.sweep_account:_Run._tell_gap": (
        "needs thirty days of which nobody read the news; the gap has one id, and is found again "
        "until the cursor moves"
    ),
    "plugin.web.canvas_buttons:Buttons.issue": (
        "the number of a button of a desk that draws the panel; who lost it is given another"
    ),
    "plugin.web.canvas_buttons:Buttons.spend": (
        "spent before its press is done: after a crash the agent is shown what there is, and "
        "presses a new button"
    ),
}
"""Where a crash needs no kill of its own -> why."""
_STORAGE = ROOT / "plugin" / "storage"


def commit_sites() -> Iterator[tuple[str, int]]:
    """`module:function` and the line of each call of `commit` in the product."""
    for folder in ("plugin", "webhooks"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if not path.is_relative_to(_STORAGE):
                module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                tree = ast.parse(path.read_text("utf-8"))
                for function, line in _commits(tree, ""):
                    yield f"{module}:{function}", line


def _commits(node: ast.AST, inside: str) -> Iterator[tuple[str, int]]:
    """As `co_qualname` and `f_lineno` name them when they run."""
    for child in ast.iter_child_nodes(node):
        within = inside
        if isinstance(child, ast.ClassDef):
            within = f"{inside}{child.name}."
        elif isinstance(child, ast.FunctionDef):
            within = f"{inside}{child.name}.<locals>."
        elif (
            isinstance(child, ast.Call)
            and isinstance(child.func, ast.Attribute)
            and child.func.attr == "commit"
        ):
            yield inside.removesuffix(".<locals>."), child.lineno
        yield from _commits(child, within)


def never_passed(learnt: Sequence[str]) -> list[str]:
    """The commits of `KILLED` that stand in no learnt name."""
    passed = {name.rpartition("before commit ")[2] for name in learnt}
    wanted = {f"{site}:{line}" for site, line in commit_sites() if site in KILLED}
    return sorted(wanted - passed)
