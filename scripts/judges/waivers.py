"""Findings that are let pass, each with its reason. A waiver that nothing needs is a fault of its own."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable
from fnmatch import fnmatchcase

import yaml

from judges.bench import Finding

FILE = pathlib.Path(__file__).resolve().parent.parent / "waivers.yaml"
REQUIRED = {"judge", "check", "kinds", "reason"}
OPTIONAL = {"names", "says"}


class Waiver:
    """One kind of finding that is let pass: of one check, of some kinds, perhaps of some names, perhaps in some words."""

    def __init__(self, entry: dict[str, object]) -> None:
        wrong = (REQUIRED - entry.keys()) | (entry.keys() - REQUIRED - OPTIONAL)
        if wrong or len(str(entry.get("reason", ""))) < 40:
            raise SystemExit(f"{FILE.name}: {entry}: expected {sorted(REQUIRED)}, perhaps {sorted(OPTIONAL)}, and a reason that says why")
        self.judge, self.check = str(entry["judge"]), str(entry["check"])
        self.kinds = list(entry["kinds"])  # type: ignore[call-overload]
        self.names = list(entry.get("names", ["*"]))  # type: ignore[call-overload]
        self.says = str(entry.get("says", ""))
        self.used = 0

    def covers(self, finding: Finding) -> bool:
        """Tell whether a finding is let pass."""
        same = (self.judge, self.check) == (finding.judge, finding.check) and finding.kind in self.kinds
        return same and self.says in finding.says and any(fnmatchcase(finding.name, name) for name in self.names)


class Waivers:
    """All waivers, and which of them were needed."""

    def __init__(self, file: pathlib.Path = FILE) -> None:
        self._all = [Waiver(entry) for entry in yaml.safe_load(file.read_text(encoding="utf-8"))]

    def left(self, findings: Iterable[Finding]) -> tuple[list[Finding], int]:
        """Return the findings that nothing covers, and how many are let pass."""
        left, passed = [], 0
        for finding in findings:
            covering = next((waiver for waiver in self._all if waiver.covers(finding)), None)
            if covering is None:
                left.append(finding)
            else:
                covering.used += 1
                passed += 1
        return left, passed

    def unused(self, judge: str) -> list[str]:
        """Return the waivers of a judge that no finding needed."""
        return [f"{one.check} of {', '.join(one.kinds)}: nothing needs it" for one in self._all if one.judge == judge and not one.used]
