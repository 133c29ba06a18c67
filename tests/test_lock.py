import inspect
import textwrap

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mlspec import lock as lock_module
from mlspec.artifacts import digest, path_fault
from mlspec.diagnostics import Rejected
from mlspec.lock import Lock, emit_lock, newer, parse_lock

LOCK = Lock(
    "0.1.0",
    {"churn/mlspec.yaml": digest(b"spec")},
    {"models/churn/version": "3", "models/churn/from": "registry"},
    {"prod/churn-api": {"version": "3", "step": 1}, "dev/churn-api": {"version": "4"}},
    {"deploy/churn/prod/a.yaml": digest(b"a"), "deploy/churn/dev/a.yaml": digest(b"b")},
)
TEXT = emit_lock(LOCK).decode()


def fault(text):
    with pytest.raises(Rejected) as caught:
        parse_lock(text if isinstance(text, bytes) else text.encode(), "mlspec.lock", "0.1.0")
    (only,) = caught.value.diagnostics
    assert only.site.file == "mlspec.lock"
    return only.code, only.site.line


def test_one_line_a_fact():
    assert TEXT.split("\n")[1:8] == [
        "lockVersion: 1",
        'compiler: "0.1.0"',
        "inputs:",
        f'  "churn/mlspec.yaml": "{digest(b"spec")}"',
        "pins:",
        '  "models/churn/from": "registry"',
        '  "models/churn/version": "3"',
    ]
    assert '  "prod/churn-api/step": 1\n' in TEXT
    assert yaml.safe_load(TEXT)["live"] == {"dev/churn-api/version": "4", "prod/churn-api/step": 1, "prod/churn-api/version": "3"}


text = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12)
part = text.filter(lambda word: "/" not in word)
fact = text | st.just("") | st.integers(0, 10**17)
paths = st.text("abcé/.-_ ", min_size=1, max_size=12).filter(lambda path: not path_fault(path))
digests = st.binary(max_size=2).map(digest)
locks = st.builds(
    Lock,
    st.just("0.1.0"),
    st.dictionaries(text, digests, max_size=3),
    st.dictionaries(text, fact, max_size=3),
    st.dictionaries(st.tuples(part, part).map("/".join), st.dictionaries(part, fact, min_size=1, max_size=3), max_size=3),
    st.dictionaries(paths, digests, max_size=3),
)


@given(locks)
def test_what_is_emitted_is_read_back(lock):
    data = emit_lock(lock)
    assert parse_lock(data, "mlspec.lock") == lock
    loaded = yaml.safe_load(data)
    assert loaded.get("pins", {}) == lock.pins
    assert loaded.get("files", {}) == lock.files


@given(st.integers(0, len(TEXT) - 1), st.sampled_from(["", '"', " ", "\n", "x", "0", ":", "\\", "\r", "\x00"]), st.integers(0, 40))
def test_damage_is_refused_or_harmless(at, put, cut):
    damaged = (TEXT[:at] + put + TEXT[at + cut :]).encode()
    try:
        lock = parse_lock(damaged, "mlspec.lock", "0.1.0")
    except Rejected:
        return
    assert emit_lock(lock) == damaged


@pytest.mark.parametrize(
    ("find", "put", "code", "line"),
    [
        ("# Written", "# written", "MLS-E601", 1),
        ("lockVersion: 1", "lockVersion: one", "MLS-E601", 2),
        ("lockVersion: 1", "lockVersion: 2", "MLS-E604", 2),
        ('"0.1.0"', '"0.2.0"', "MLS-E604", 3),
        ('"0.1.0"', "0.1.0", "MLS-E601", 3),
        ("inputs:", "outputs:", "MLS-E601", 4),
        ("pins:", "<<<<<<< ours\npins:", "MLS-E602", 6),
        ("pins:", "=======\npins:", "MLS-E602", 6),
        ('  "models/churn/from": "registry"', '  "models/churn/from": "a"\n  "models/churn/from": "b"', "MLS-E603", 8),
        ('  "models/churn/from"', '  "models/zebra"', "MLS-E603", 8),
        ("pins:", "files:", "MLS-E601", 7),
        ("live:", "pins:", "MLS-E603", 9),
        ('"dev/churn-api/version"', '"version"', "MLS-E601", 10),
        ("deploy/churn/dev", "deploy/../dev", "MLS-E601", 14),
        ("deploy/churn/dev", "../churn/dev", "MLS-E601", 14),
        ("deploy/churn/dev", ".git/hooks", "MLS-E601", 14),
        ("deploy/churn/dev", "\\/deploy", "MLS-E601", 14),
        ("step\": 1", "step\": 01", "MLS-E601", 11),
        ("step\": 1", "step\":  1", "MLS-E601", 11),
    ],
)  # fmt: skip
def test_faults_have_a_line(find, put, code, line):
    assert find in TEXT
    assert fault(TEXT.replace(find, put, 1)) == (code, line)


def test_other_faults():
    assert fault("")[0] == "MLS-E601"
    assert fault(TEXT[:-1])[0] == "MLS-E601"
    assert fault(TEXT + "\n")[0] == "MLS-E601"
    assert fault(TEXT.replace("\n", "\r\n")) == ("MLS-E601", 1)
    assert fault(TEXT.encode().replace(b"registry", b"\xff"))[0] == "MLS-E601"
    short = "\n".join(TEXT.split("\n")[:13]) + "\n"
    assert fault(short) == ("MLS-E601", 13), "a section without facts is left out"


@pytest.mark.parametrize(
    ("version", "than", "is_newer"),
    [
        ("0.1.0", "0.1.0", False), ("0.1.1", "0.1.0", True), ("0.10.0", "0.9.9", True), ("1.0", "1.0.0", False), ("0.1.0", "0.2.0", False),
        ("0.1.0", "0.1.0rc1", True), ("0.1.0rc2", "0.1.0rc1", True), ("0.1.0rc1", "0.1.0", False), ("0.1.0+local", "0.1.0", False),
        ("0.1.0.dev3", "0.1.0", False), ("0.1.0.post1", "0.1.0", True),
    ],
)  # fmt: skip
def test_newer(version, than, is_newer):
    assert newer(version, than) is is_newer


RULES = [lock_module.not_a_lock_line, lock_module.unmerged_lock, lock_module.disordered_lock, lock_module.newer_lock]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code.name)
def test_pages_hold(rule):
    page = inspect.cleandoc(rule.__doc__)
    bad, good = page.split("Bad (lock)::")[1].split("Good (lock)::")
    assert fault(textwrap.dedent(bad).strip() + "\n")[0] == rule.code.id
    parse_lock((textwrap.dedent(good).strip() + "\n").encode(), "mlspec.lock")
