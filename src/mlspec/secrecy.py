"""What a secret looks like, where a text holds one, and how it is kept out of whatever is printed."""

from __future__ import annotations

import re
from collections.abc import Iterable

SECRETS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("PRIVATE KEY",), r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY", "a private key"),
    (("AKIA", "ASIA"), r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])", "an AWS access key"),
    (("AIza",), r"(?<![A-Za-z0-9])AIza[A-Za-z0-9_-]{35}", "a Google API key"),
    (("GOCSPX-", "ya29."), r"GOCSPX-[A-Za-z0-9_-]{20,}|(?<![A-Za-z0-9])ya29\.[A-Za-z0-9_-]{20,}", "a Google credential"),
    (("AccountKey=", "SharedAccessKey="), r"(?:AccountKey|SharedAccessKey)=[A-Za-z0-9+/]{32,}", "an Azure key"),
    (("sig=",), r"[?&;]sig=[A-Za-z0-9%+/_-]{20,}", "a signed Azure URL"),
    (("Q~",), r"(?<![A-Za-z0-9])[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}", "an Azure client secret"),
    (
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
        r"(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{22,})",
        "a GitHub token",
    ),
    (
        ("glpat-", "gldt-", "glrt-", "glcbt-", "glptt-", "glft-"),
        r"(?<![A-Za-z0-9])gl(?:pat|dt|rt|cbt|ptt|ft)-[A-Za-z0-9_.-]{20,}",
        "a GitLab token",
    ),
    (("xox", "xapp-"), r"(?<![A-Za-z0-9])(?:xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{10,})", "a Slack token"),
    (("hooks.slack.com/",), r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9/_-]{8,}", "a Slack webhook"),
    (("hf_",), r"(?<![A-Za-z0-9])hf_[A-Za-z0-9]{30,}", "a Hugging Face token"),
    (("sk-",), r"(?<![A-Za-z0-9-])sk-(?:[A-Za-z0-9]{20,}|(?:proj|svcacct|admin|ant|or)-[A-Za-z0-9_-]{20,})", "an OpenAI key"),
    (("sk_live_", "rk_live_"), r"(?<![A-Za-z0-9])[sr]k_live_[A-Za-z0-9]{20,}", "a Stripe key"),
    (
        ("npm_", "pypi-AgE", "dckr_pat_"),
        r"(?<![A-Za-z0-9])(?:npm_[A-Za-z0-9]{36}|pypi-AgE[A-Za-z0-9_-]{40,}|dckr_pat_[A-Za-z0-9_-]{20,})",
        "a registry token",
    ),
    (("dapi",), r"(?<![A-Za-z0-9])dapi[0-9a-f]{32}(?![0-9a-f])", "a Databricks token"),
    (("eyJ",), r"(?<![A-Za-z0-9])eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*", "a JSON web token"),
    (("://",), r"://[^/\s:@?#\"']*:[^/\s@?#\"']+@", "a URL with a password"),
    (("word=", "wd="), r"(?i)(?<![a-z])passw(?:or)?d=[^\s$<{*&\"']{4,}", "a password"),
)
"""Literal texts of which a secret holds one, its shape, and what it is. The literals make a clean spec cost microseconds."""
SECRET_NAME = re.compile(
    r"(?:^|_)(?:PASSWORD|PASSWD|PASSPHRASE|TOKEN|SECRET|API_?KEY|ACCESS_KEY|SECRET_KEY|PRIVATE_KEY|CREDENTIALS?)\Z", re.IGNORECASE
)
_WORDS = "password|passwd|passphrase|token|secret|api[_-]?key|access[_-]?key|private[_-]?key|credentials?"
_KEY = (
    rf"(?i)(?:{_WORDS})[\"']?[ \t]*:"  # a variable of its own, or one of a container: {{name: X_TOKEN, value: ...}}
    rf"|\bname[\"']?[ \t]*:[ \t]*[\"']?[\w-]{{0,64}}(?:{_WORDS})[\"']?[ \t]*(?:,|\r?\n)[ \t]*[\"']?value[\"']?[ \t]*:"
)
_FRONT = r"(?:\A|[\s{,\[\"'?&(])[\w.-]{0,64}\Z"
_NAMED_ELSEWHERE = r"\{\s*secret\s*:\s*[\w./-]+\s*\}|\$\{(?:inputs|outputs|steps)\."
_GAP = r"(?:[ \t]|\r?\n|#[^\n]*\n)*"
_QUOTED = {'"': r'(?s)"(?:[^"\\]|\\.)*(?:"|\Z)', "'": r"'(?:[^']|'')*(?:'|\Z)"}
_PLAIN_IN_FLOW = r"[^,}\]\r\n]*"
_PLAIN = r"[^\r\n]*"
_KEY_BLOCK = r"(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)"
"""Patterns are compiled when a text is searched, which a run without faults never does."""
MASK = "***"
_PIECE = 6
"""Characters; no stretch of a secret that is this long is printed."""
_SHORTEST = 3
"""Characters; what is shorter cannot be told from a word."""
_LONGEST = 4096
"""Characters of one secret that are looked at."""


def secret_in(text: str) -> str:
    """Say what kind of secret a text holds; nothing when it holds none."""
    for literals, shape, words in SECRETS:
        if any(literal in text for literal in literals) and re.search(shape, text):
            return words
    return ""


def find_secrets(text: str) -> list[tuple[int, int]]:
    """Return where a text holds secrets: what has the shape of one, and what stands under the name of one.

    The text need not be YAML; what could be a secret is taken for one.
    """
    spans = [match.span() for literals, shape, _ in SECRETS if any(word in text for word in literals) for match in re.finditer(shape, text)]
    if "PRIVATE KEY" in text:
        spans += [match.span() for match in re.finditer(_KEY_BLOCK, text)]
    line = before = done = 0
    for key in re.finditer(_KEY, text):
        line = max(line, text.rfind("\n", before, key.start()) + 1)
        before = key.start()
        if before < done or not re.search(_FRONT, text[max(0, before - 66) : before]) or key[0] == "secret:":
            continue
        start = _match(_GAP, text, key.end())
        end = _value_end(text, start, line, key.start())
        if end > start:
            spans.append((start, end))
            done = end
    return sorted(spans)


def _match(pattern: str, text: str, at: int) -> int:
    """Return where the match of a pattern at an offset ends; the offset itself where it does not match."""
    match = re.compile(pattern).match(text, at)
    return match.end() if match else at


def _value_end(text: str, start: int, line: int, key: int) -> int:
    """Return where the value at an offset ends; the offset itself where it only names a secret.

    ``line`` is where the line of its key begins, ``key`` is where the key does.
    """
    if _match(_NAMED_ELSEWHERE, text, start) > start:
        return start
    first = text[start : start + 1]
    if first in _QUOTED:
        return _match(_QUOTED[first], text, start)
    flow = text.find("{", line, key) >= 0 or text.find("[", line, key) >= 0
    if first in ("|", ">") or (first in ("{", "[") and not flow):
        return _block_end(text, start, line)
    return _match(_PLAIN_IN_FLOW if flow else _PLAIN, text, start)


def _block_end(text: str, start: int, line: int) -> int:
    """Return where the lines end that are blank or indented deeper than the line that begins at an offset."""
    indent = _indent(text, line)
    end = text.find("\n", start)
    while end >= 0:
        following = text.find("\n", end + 1)
        if text[end + 1 : following if following >= 0 else len(text)].strip() and _indent(text, end + 1) <= indent:
            return end
        end = following
    return len(text)


def _indent(text: str, line: int) -> int:
    at = line
    while text[at : at + 1] in (" ", "-"):
        at += 1
    return at - line


def pieces(secrets: Iterable[str]) -> frozenset[str]:
    """Return the stretches of secrets that must not be printed: each of six characters, or the whole of a shorter one."""
    found: set[str] = set()
    for written in secrets:
        secret = written.strip("\"' \t\r\n")[:_LONGEST].lower()
        if len(secret) >= _SHORTEST:
            found.update(secret[at : at + _PIECE] for at in range(max(1, len(secret) - _PIECE + 1)))
    return frozenset(found)


def mask(said: str, hidden: frozenset[str]) -> str:
    """Return a text in which every stretch that is a piece of a secret is replaced."""
    shown: list[str] = []
    at = covered = 0
    lower = said.lower() if len(said.lower()) == len(said) else said
    while at < len(said):
        length = next((size for size in range(_PIECE, _SHORTEST - 1, -1) if lower[at : at + size] in hidden), 0)
        if length:
            if at >= covered:
                shown.append(MASK)
            covered = max(covered, at + length)
        elif at >= covered:
            shown.append(said[at])
        at += 1
    return "".join(shown)
