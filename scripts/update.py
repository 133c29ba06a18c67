"""Regenerate what is generated from code: the JSON Schema, the reference and the list of codes. With --check, only compare."""

from __future__ import annotations

import pathlib
import sys

from mlspec.catalogue import load
from mlspec.spec.reference import reference_text
from mlspec.spec.schema import schema_text

ROOT = pathlib.Path(__file__).resolve().parent.parent


def codes_text() -> str:
    lines = [
        "# Codes",
        "",
        "Every code is permanent. `mlspec explain CODE` shows the same pages. Security codes cannot be ignored by a comment.",
        "",
    ]
    for code in load().values():
        marks = code.severity + (", security" if code.security else "")
        lines += [f"## {code.id} {code.name}", "", f"*{marks}*", "", code.page, ""]
    return "\n".join(lines)


GENERATED = {
    "schemas/mlspec.v1.schema.json": schema_text,
    "docs/reference/spec.md": reference_text,
    "docs/reference/codes.md": codes_text,
}


def main() -> int:
    stale = []
    for name, make in GENERATED.items():
        path, text = ROOT / name, make()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in sys.argv:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for name in stale:
        print(f"{'stale' if '--check' in sys.argv else 'updated'}: {name}")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
