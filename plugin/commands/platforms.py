"""`makegood platforms ...`: what manifests declare, and whether code, tests and docs keep it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from plugin.platforms.data_files import DataFiles
from plugin.platforms.manifest import InstallField, QualityStatus
from plugin.platforms.registry import MatrixRow, Registry
from plugin.platforms.registry_check import check
from plugin.ports import Kind

Say = Callable[[str], None]
_WORDS = {"native": "yes", "emulated": "yes", "manual": "by hand", "none": "no"}


def list_platforms(say: Say) -> list[dict[str, object]]:
    """Every platform with its quality rules."""
    rows: list[dict[str, object]] = []
    for manifest in _registry().manifests():
        say(f"{manifest.kind:9} {manifest.stem:14} {manifest.name}")
        for rule in manifest.quality:
            why = rule.reason or rule.verified
            say(f"    {rule.status:7} {rule.rule}: {why}")
        rows.append(
            {
                "kind": manifest.kind,
                "stem": manifest.stem,
                "name": manifest.name,
                "capabilities": dict(manifest.capabilities),
                "todo": [r.rule for r in manifest.quality if r.status is QualityStatus.TODO],
            }
        )
    return rows


def check_platforms(say: Say) -> list[str]:
    """All faults at once, below the quality rules; in a checkout tests and docs count too."""
    list_platforms(say)
    root = Path(__file__).resolve().parents[2]
    project = root if (root / "setup.cfg").is_file() else None
    faults = [str(fault) for fault in check(_registry(), project)]
    for fault in faults:
        say(fault)
    if not faults:
        say("All platforms keep what they declare.")
    return faults


def matrix() -> str:
    """The README's tables, stores first."""
    registry = _registry()
    return "\n\n".join(_table(kind, registry.matrix_rows(kind)) for kind in Kind)


def connect_examples() -> Sequence[str]:
    """How `makegood connect` is called, for each platform with the fields that it asks for."""
    return [
        " ".join([f"makegood connect {manifest.stem}", *map(_asked, manifest.install_fields)])
        for manifest in _registry().manifests()
        if not manifest.simulated
    ]


def _asked(field: InstallField) -> str:
    return f"--set {field.name}={'@FILE' if field.secret else '...'}"


def _table(kind: Kind, rows: Sequence[MatrixRow]) -> str:
    shown = [row for row in rows if not row.simulated]
    words = list(shown[0].levels) if shown else []
    title = "Store" if kind is Kind.STORE else "Helpdesk"
    lines = [
        "| " + " | ".join([title, *(word.replace("_", " ") for word in words), "rules"]) + " |",
        "|" + " --- |" * (len(words) + 2),
    ]
    for row in shown:
        cells = [_WORDS[row.levels[word]] for word in words]
        cells.append(", ".join(f"{count} {status}" for status, count in row.rules.items()))
        lines.append("| " + " | ".join([f"[{row.name}]({row.docs})", *cells]) + " |")
    return "\n".join(lines)


def _registry() -> Registry:
    return Registry([DataFiles().manifests()])
