"""The lock: what a compilation depends on beside its spec, and which files it owns; one line a fact, made for merging."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

from mlspec import __version__
from mlspec.artifacts import path_fault
from mlspec.diagnostics import Finding, Found, Rejected, code, diagnose
from mlspec.location import Mark, SourceText

NAME = "mlspec.lock"
LOCK_VERSION = 1
SECTIONS = ("inputs", "pins", "live", "files")

Fact = str | int

_HEADER = "# Written by mlspec. Do not edit: `mlspec compile` and `mlspec rollout` keep it."
_LINE = re.compile(r'  "((?:[^"\\]|\\.)+)": (?:"((?:[^"\\]|\\.)*)"|(0|[1-9][0-9]{0,17}))')
_COMPILER = re.compile(r'compiler: "([0-9A-Za-z.+!-]+)"')
_VERSION = re.compile(r"lockVersion: ([1-9][0-9]{0,8})")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_ESCAPE = re.compile(r'\\(?:(["\\])|x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))')
_PLAIN = re.compile(r"[ !#-\[\]-~]*")
_CONFLICT = ("<<<<<<<", "=======", ">>>>>>>", "|||||||")


def is_lock(path: str) -> bool:
    """Tell whether a path, its parts divided by slashes, is that of a lock."""
    return path.rpartition("/")[2] == NAME


class Lock(NamedTuple):
    """What a lock holds. Nothing in it is changed after it was made."""

    compiler: str = __version__
    """The version of mlspec that wrote it."""
    inputs: Mapping[str, str] = {}
    """Digest of every file that was read, by its path."""
    pins: Mapping[str, Fact] = {}
    """What references were resolved to, by slash-separated name: ``models/churn/version``."""
    live: Mapping[str, Mapping[str, Fact]] = {}
    """Facts about what serves, by ``<environment>/<endpoint>``: ``{"version": "3", "step": 1}``."""
    files: Mapping[str, str] = {}
    """Digest of every file that the project owns, by its path from the repository root."""


def emit_lock(lock: Lock) -> bytes:
    """Return the one text of a lock; ``parse_lock(emit_lock(lock), file) == lock``."""
    lines = [_HEADER, f"lockVersion: {LOCK_VERSION}", f'compiler: "{lock.compiler}"']
    live = {f"{place}/{name}": fact for place, facts in lock.live.items() for name, fact in facts.items()}
    for section, facts in zip(SECTIONS, (lock.inputs, lock.pins, live, lock.files), strict=True):
        if facts:
            lines.append(f"{section}:")
            lines += [f"  {_quote(key)}: {fact if isinstance(fact, int) else _quote(fact)}" for key, fact in sorted(facts.items())]
    return ("\n".join(lines) + "\n").encode()


def parse_lock(data: bytes, file: str, running: str = __version__) -> Lock:
    """Read a lock. Only what ``emit_lock`` writes is accepted.

    ``file`` is the name that people know it by, ``running`` the version of mlspec that reads. Raises Rejected: MLS-E601
    (a line that no mlspec writes), MLS-E602 (left over from a merge), MLS-E603 (order, or a fact twice), MLS-E604
    (written by a newer mlspec).
    """
    text = data.decode("utf-8", "replace")
    lines = text.split("\n")
    reading = _Reading(file, text, lines)
    reading.check_conflicts()
    reading.expect(0, lines[0] == _HEADER, "expected the first line of a lock")
    version = _VERSION.fullmatch(lines[1] if len(lines) > 1 else "")
    if version is None:
        reading.fail(1, not_a_lock_line, "expected `lockVersion: 1`")
    if int(version[1]) > LOCK_VERSION:
        reading.fail(1, newer_lock, f"is of version {version[1]}; this mlspec reads version {LOCK_VERSION}")
    compiler = _COMPILER.fullmatch(lines[2] if len(lines) > 2 else "")
    if compiler is None:
        reading.fail(2, not_a_lock_line, "expected `compiler:` and a version in quotes")
    if newer(compiler[1], running):
        reading.fail(2, newer_lock, f"was written by mlspec {compiler[1]}; this is mlspec {running}")
    found = reading.sections()
    lock = Lock(compiler[1], found["inputs"], found["pins"], _unflatten(found["live"]), found["files"])
    written = emit_lock(lock)
    if written != data:
        pairs = enumerate(zip(written.split(b"\n"), data.split(b"\n"), strict=False))
        first = next((at for at, (ours, theirs) in pairs if ours != theirs), len(lines) - 1)
        reading.fail(first, not_a_lock_line, "expected the line as mlspec writes it")
    return lock


def newer(version: str, than: str) -> bool:
    """Say whether one version of mlspec is newer than another; a pre-release is older than its release."""
    return _rank(version) > _rank(than)


def _rank(version: str) -> tuple[tuple[int, ...], bool, tuple[tuple[str, int], ...]]:
    found = re.match(r"(\d+(?:\.\d+)*)(.*)", version)
    if found is None:
        return (), False, ()
    suffix = found[2].partition("+")[0]
    rest = tuple((word, int(number or 0)) for word, number in re.findall(r"([a-z]+)\.?(\d*)", suffix))
    numbers = tuple(map(int, found[1].split(".")))
    while numbers and numbers[-1] == 0:
        numbers = numbers[:-1]
    return numbers, not suffix or suffix.startswith(".post"), rest


class _Reading:
    """One lock while it is read: its lines, and how a fault in one of them is shown."""

    __slots__ = ("file", "lines", "text")

    def __init__(self, file: str, text: str, lines: list[str]) -> None:
        self.file, self.text, self.lines = file, text, lines

    def fail(self, at: int, rule: Any, what: str) -> NoReturn:
        """Refuse the lock because of the line with this index."""
        at = min(at, len(self.lines) - 1)
        start = sum(len(line) + 1 for line in self.lines[:at])
        mark = Mark(SourceText(self.file, self.text), start, start + len(self.lines[at]))
        finding: Finding = rule(mark, what)
        raise Rejected([diagnose(finding, mark)])

    def expect(self, at: int, holds: bool, what: str) -> None:
        if not holds:
            self.fail(at, not_a_lock_line, what)

    def check_conflicts(self) -> None:
        for at, line in enumerate(self.lines):
            if line.startswith(_CONFLICT):
                self.fail(at, unmerged_lock, line[:7])

    def sections(self) -> dict[str, dict[str, Any]]:
        """Read the facts of all sections."""
        found: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
        section, last, reached = "", "", -1
        self.expect(len(self.lines) - 1, self.lines[-1] == "", "expected the lock to end with a line end")
        for at, line in enumerate(self.lines[3:-1], 3):
            if (match := _LINE.fullmatch(line)) and section:
                key, value, number = match.groups()
                key = self.unquote(at, key)
                if key <= last:
                    twice = f'the fact "{key}" stands twice'
                    self.fail(at, disordered_lock, twice if key in found[section] else f'"{key}" stands after "{last}"')
                last = key
                fact = int(number) if number else self.unquote(at, value)
                self.check_fact(at, section, key, fact)
                found[section][key] = fact
            elif line[-1:] == ":" and line[:-1] in SECTIONS:
                section, last = line[:-1], ""
                order = SECTIONS.index(section)
                if order <= reached:
                    self.fail(at, disordered_lock, f"the section `{section}` stands {'twice' if order == reached else 'too late'}")
                reached = order
            else:
                self.fail(at, not_a_lock_line, "expected a section, or two spaces, a name in quotes, and a value")
        return found

    def check_fact(self, at: int, section: str, key: str, fact: Fact) -> None:
        if section in {"inputs", "files"}:
            self.expect(at, isinstance(fact, str) and bool(_DIGEST.fullmatch(fact)), "expected `sha256:` and 64 hexadecimal digits")
        if section == "files" and (fault := path_fault(key)):
            self.fail(at, not_a_lock_line, f"the path {fault}")
        if section == "live":
            self.expect(at, key.count("/") >= 1 and "" not in key.rpartition("/"), "expected environment, endpoint and fact")

    def unquote(self, at: int, text: str) -> str:
        if "\\" not in text:
            return text
        rest = _ESCAPE.sub("", text)
        self.expect(at, "\\" not in rest, "an escape that mlspec does not write")
        try:
            return _ESCAPE.sub(lambda m: m[1] or chr(int(m[2] or m[3] or m[4], 16)), text)
        except (ValueError, OverflowError):
            self.fail(at, not_a_lock_line, "an escape that names no character")


def _unflatten(facts: dict[str, Fact]) -> dict[str, dict[str, Fact]]:
    live: dict[str, dict[str, Fact]] = {}
    for key, fact in facts.items():
        place, _, name = key.rpartition("/")
        live.setdefault(place, {})[name] = fact
    return live


def _quote(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return f'"{text}"'
    return '"' + "".join(map(_escape, text)) + '"'


def _escape(letter: str) -> str:
    if letter in '"\\':
        return "\\" + letter
    if letter.isprintable():
        return letter
    number = ord(letter)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


@code("MLS-E601", "not-a-lock-line")
def not_a_lock_line(mark: Mark, what: str) -> Found:
    """Every line of a lock is one that mlspec wrote.

    The lock says which files may be replaced and removed, so it is not guessed at. Take the lock back from git
    (`git checkout -- mlspec.lock`) and compile again. A lock whose lines end with CRLF was changed by git's `autocrlf`:
    put `mlspec.lock text eol=lf` into `.gitattributes`.

    Bad (lock)::

        # Written by mlspec. Do not edit: `mlspec compile` and `mlspec rollout` keep it.
        lockVersion: 1
        compiler: "0.1.0"
        live:
          prod/churn-api/version: 3

    Good (lock)::

        # Written by mlspec. Do not edit: `mlspec compile` and `mlspec rollout` keep it.
        lockVersion: 1
        compiler: "0.1.0"
        live:
          "prod/churn-api/version": "3"
    """
    crlf = mark.text.text[mark.start : mark.end].endswith("\r")
    if crlf:
        return Found((), "the line ends with CRLF; expected LF", "put `mlspec.lock text eol=lf` into .gitattributes", mark=mark)
    return Found((), f"the lock has a line that mlspec did not write: {what}", "take the lock back from git and compile again", mark=mark)


@code("MLS-E602", "unmerged-lock")
def unmerged_lock(mark: Mark, what: str) -> Found:
    """A lock holds no markers of a merge conflict.

    Each line of a lock is one fact, so most merges need no hand: `mlspec merge-driver finish` settles `files` and compiles again. Where
    both sides changed a line of `live` or `pins` it leaves the conflict: decide which of them is meant, and run it again. After the
    merge was committed, `mlspec compile` does it.

    Bad (lock)::

        # Written by mlspec. Do not edit: `mlspec compile` and `mlspec rollout` keep it.
        lockVersion: 1
        compiler: "0.1.0"
        live:
        <<<<<<< HEAD
          "prod/churn-api/version": "3"
        =======
          "prod/churn-api/version": "4"
        >>>>>>> feature

    Good (lock)::

        # Written by mlspec. Do not edit: `mlspec compile` and `mlspec rollout` keep it.
        lockVersion: 1
        compiler: "0.1.0"
        live:
          "prod/churn-api/version": "4"
    """
    message = f"the lock holds the marker {what} of an unfinished merge"
    return Found((), message, "run `mlspec merge-driver finish`; where a conflict is left, keep one side of it first", mark=mark)


@code("MLS-E603", "disordered-lock")
def disordered_lock(mark: Mark, what: str) -> Found:
    """The facts of a lock are sorted, and none stands twice.

    A fact that stands twice comes from a merge that took a line from both sides: one of them is wrong, and mlspec
    cannot know which. Remove one, or take the lock back from git, and compile again.

    Bad (lock)::

        # Written by mlspec. Do not edit: `mlspec compile` and `mlspec rollout` keep it.
        lockVersion: 1
        compiler: "0.1.0"
        live:
          "prod/churn-api/version": "3"
          "prod/churn-api/version": "4"

    Good (lock)::

        # Written by mlspec. Do not edit: `mlspec compile` and `mlspec rollout` keep it.
        lockVersion: 1
        compiler: "0.1.0"
        live:
          "prod/churn-api/version": "4"
    """
    message = f"{what} in the lock; expected sorted lines, each once"
    return Found((), message, "keep one of the lines in its sorted place, then compile again", mark=mark)


@code("MLS-E604", "newer-lock")
def newer_lock(mark: Mark, what: str) -> Found:
    """A lock is read by the mlspec that wrote it, or by a newer one.

    An older mlspec would undo what the newer one wrote, and the two would take turns for ever. Let everyone who
    compiles, CI included, use one version.

    Bad (lock)::

        # Written by mlspec. Do not edit: `mlspec compile` and `mlspec rollout` keep it.
        lockVersion: 1
        compiler: "999.0.0"

    Good (lock)::

        # Written by mlspec. Do not edit: `mlspec compile` and `mlspec rollout` keep it.
        lockVersion: 1
        compiler: "0.1.0"
    """
    return Found((), f"the lock {what}", "install the newer mlspec", mark=mark)
