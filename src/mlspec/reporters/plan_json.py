"""The plan of a change as JSON: one versioned envelope, every value exact."""

from __future__ import annotations

import json
from typing import Any, TextIO

from mlspec import __version__
from mlspec.changes.account import Account, EnvironmentAccount, Hunk, ProjectAccount
from mlspec.changes.causes import Cause
from mlspec.changes.edits import Edit
from mlspec.changes.objects import Key
from mlspec.changes.totals import Total
from mlspec.changes.values import ABSENT, Change
from mlspec.location import format_path
from mlspec.quantity import plain
from mlspec.reporters.plan_words import headline
from mlspec.secrecy import MASK, secret_in

SCHEMA_VERSION = 1


def write_plan_json(account: Account, stream: TextIO) -> None:
    """Write a plan, in ASCII, so that no terminal or log can misread it."""
    json.dump(plan_of(account), stream, indent=2, default=str)
    stream.write("\n")


def plan_of(account: Account) -> dict[str, Any]:
    """Return a plan as plain data. Paths of fields are lists of keys; a field that is not there has no ``before`` or ``after``."""
    return {
        "schemaVersion": SCHEMA_VERSION,
        "tool": {"name": "mlspec", "version": __version__},
        "from": {"revision": account.before.label, "commit": account.before.commit},
        "to": {"revision": account.after.label, "commit": account.after.commit},
        "differs": account.differs,
        "headline": headline(account),
        "broken": [{"spec": spec, "at": side.label, "otherwise": other.name if other else None} for spec, side, other in account.broken],
        "findings": [
            {"at": side.label, "code": one.code, "message": one.message, "file": one.site.file, "line": one.site.line}
            for side in (account.before, account.after)
            for one in side.diagnostics
            if one.severity == "error"
        ],
        "newWarnings": [
            {"code": one.code, "message": one.message, "file": one.site.file, "line": one.site.line} for one in account.warnings
        ],
        "projects": [_project(project) for project in account.projects],
    }


def _project(project: ProjectAccount) -> dict[str, Any]:
    return {
        "name": project.name,
        "spec": project.spec,
        "state": project.state,
        "sentences": [{"environments": list(one.environments), "text": one.text} for one in project.sentences],
        "risks": [{"kind": one.kind, "environments": list(one.environments), "text": one.text, "note": one.note} for one in project.risks],
        "edits": [_edit(edit) for edit in project.edits],
        "environments": [_environment(environment) for environment in project.environments],
        "files": [{"path": path, "sign": sign} for path, sign in project.files.items()],
        "notes": list(project.notes),
    }


def _edit(edit: Edit) -> dict[str, Any]:
    return {"file": edit.file, "line": edit.line, **_change(edit.change)}


def _environment(environment: EnvironmentAccount) -> dict[str, Any]:
    return {
        "name": environment.name,
        "objects": [_hunk(hunk) for hunk in environment.hunks],
        "effects": [{"kind": one.kind, "grave": one.grave, "text": one.text, **_key(one.key)} for one in environment.effects],
        "totals": {
            resource: {
                "before": _total(environment.before.get(resource, Total())),
                "after": _total(environment.after.get(resource, Total())),
            }
            for resource in sorted({*environment.before, *environment.after})
        },
    }


def _hunk(hunk: Hunk) -> dict[str, Any]:
    change = hunk.change
    return {
        "sign": change.sign,
        **_key(change.key),
        "file": hunk.file,
        "replaces": change.replaces.name if change.replaces else None,
        "fields": [
            {**_change(field), "causes": [_cause(cause) for cause in causes]}
            for field, causes in zip(change.changes, hunk.causes, strict=True)
        ],
        "edition": [{**_change(field), "causes": [_cause(cause) for cause in causes]} for field, causes in hunk.edition],
    }


def _key(key: Key) -> dict[str, str]:
    return {"environment": key.environment, "apiVersion": key.api_version, "kind": key.kind, "namespace": key.namespace, "name": key.name}


def _change(change: Change) -> dict[str, Any]:
    made: dict[str, Any] = {"sign": change.sign, "path": list(change.path), "shown": format_path(change.path)}
    if change.sign == "~" and change.before_path != change.after_path:
        made["pathBefore"] = list(change.before_path)
    if change.before is not ABSENT:
        made["before"] = _masked(change.before)
    if change.after is not ABSENT:
        made["after"] = _masked(change.after)
    return made


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return MASK if secret_in(value) else value
    if isinstance(value, dict):
        return {key: _masked(item) for key, item in value.items()}
    return [_masked(item) for item in value] if isinstance(value, list) else value


def _cause(cause: Cause) -> dict[str, Any]:
    return {"kind": cause.kind, "edit": cause.edit} if cause.kind == "spec" else {"kind": cause.kind, "what": cause.what}


def _total(total: Total) -> dict[str, str]:
    return {"least": plain(total.least), "most": plain(total.most), "jobs": plain(total.now_and_then)}
