"""The comment on a pull request: it fits, risks are never cut, and nothing in it acts, whatever a spec says."""

import random
import re
from pathlib import Path

import pytest

from changes.specs import accounted, basic
from mlspec.changes.account import Account, EnvironmentAccount, Hunk, ProjectAccount
from mlspec.changes.causes import Cause
from mlspec.changes.edits import Edit
from mlspec.changes.effects import Effect
from mlspec.changes.objects import Key, ObjectChange
from mlspec.changes.risks import Risk
from mlspec.changes.sentences import Sentence
from mlspec.changes.side import Side
from mlspec.changes.totals import Total
from mlspec.changes.values import Change
from mlspec.reporters.plan_markdown import BUDGET, MARKER, code, markdown_of

markdown_it = pytest.importorskip("markdown_it", reason="markdown-it-py is not installed: the comment cannot be read as hosts do")

HOSTILE = [
    "@octocat and @org/team",
    "```\n@octocat\n```",
    "~~~\n# title\n~~~",
    "`@octocat`",
    "``",
    "```````` @octocat",
    "![beacon](https://evil.example/p.png)",
    "[click](javascript:alert(1))",
    "<img src=https://evil.example/p.png>",
    "</details><script>alert(1)</script>",
    "<!-- mlspec plan -->",
    "-->",
    "| a | b |\n|---|---|",
    "a|b\\|c",
    "fixes #12, org/repo#3, GH-4",
    "0123456789abcdef0123456789abcdef01234567",
    "https://evil.example www.evil.example",
    "someone@evil.example",
    "# heading\n\nparagraph",
    "- list\n1. list",
    "\\`@x",
    "a\rb\u2028c\u202ed\x1b[31m",
    "&lt;img&gt; &#64;octocat",
    ":warning: $math$ ::: tip",
    " leading and trailing ",
    "`" * 50,
    "",
]


def plan(said, number=1):
    """Return an account in which a text stands wherever a text can stand."""

    def some():
        return said() if callable(said) else said

    key = Key(some(), some(), some(), some(), some())
    change = ObjectChange(key, (Change((some(),), (some(),), some(), {some(): [some(), some()]}),), key)
    whole = ObjectChange(key._replace(name="other" + some()), (Change(("a",), ("a",), some() + "\n" + some(), some() + "\n" + some()),))
    hunks = tuple(Hunk(one, some(), ((Cause("spec", 0), Cause("lock", what=some())),)) for one in (change, whole))
    environment = EnvironmentAccount(some(), hunks * number, (Effect("lost", key, some(), True),) * number, {}, {some(): Total()})
    project = ProjectAccount(
        some(),
        some(),
        "changed",
        (Edit(Change((some(),), (some(),), some(), some()), some(), 3),) * number,
        (Sentence((some(),), some()),) * number,
        (Risk("gate", (some(),), some()),),
        (environment,),
        {some(): "~"},
        (some(),),
    )
    return Account(Side(some(), some(), {}), Side(some(), "", {}), (project, project._replace(state="added")), (), ())


OURS = re.compile(r"(<!-- mlspec plan -->|<details><summary>\d+ objects? differs?</summary>|</details>)\n?")


def acts(token):
    if token.type == "html_block":
        return not OURS.fullmatch(token.content)
    if token.type == "text":
        return re.search(r"@|#\d|https?:|www\.|[0-9a-f]{12}", token.content)
    return token.type in ("image", "link_open", "html_inline")


def acting(text):
    """Return what in a comment would act on a host that reads it: everything but code, headings, lists, tables and our own tags."""
    reader = markdown_it.MarkdownIt("gfm-like", {"html": True, "linkify": True})
    return [one for token in reader.parse(text) for one in (token, *(token.children or ())) if acts(one)]


@pytest.mark.parametrize("said", HOSTILE)
def test_nothing_acts(said):
    text = markdown_of(plan(said))
    assert acting(text) == []
    assert text.count(MARKER) == text.count(MARKER, 0, len(MARKER)) + text.count(MARKER, len(MARKER))
    assert text.startswith(MARKER + "\n")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e\u2028\u2029]", text)


def test_nothing_acts_whatever_is_drawn():
    dice = random.Random(11)
    pieces = [*HOSTILE, "`", "``", "```", "\n", "\n\n", " ", "|", "\\", "@a", "<", ">", "!", "[", "](", ")", "~~~", "#1", "x"]
    for _ in range(300):
        text = markdown_of(plan(lambda: "".join(dice.choice(pieces) for _ in range(dice.randint(0, 6)))))
        assert acting(text) == []


def test_a_span_of_code_says_what_was_said():
    reader = markdown_it.MarkdownIt("gfm-like")
    for said in HOSTILE:
        (inline,) = (token for token in reader.parse(code(said)) if token.type == "inline")
        assert [one.type for one in inline.children if one.content or one.type != "text"] == ["code_inline"], said
    (inline,) = (token for token in reader.parse(code("a `b` c")) if token.type == "inline")
    assert inline.children[0].content == "a `b` c"


@pytest.mark.parametrize("number", [1, 30, 400, 3000])
def test_it_fits_and_says_what_was_cut_and_every_risk_stays(number):
    serial = iter(range(10**9))
    made = plan(lambda: f"value-{next(serial)}-" + "x" * 40, number)
    risks = tuple(Risk("gate", ("prod",), f"risk number {at} of many, in some words") for at in range(200))
    made = made._replace(projects=tuple(project._replace(risks=risks) for project in made.projects))
    text = markdown_of(made)
    assert len(text) <= BUDGET
    assert all(text.count(risk.text) == 2 for risk in risks)
    assert ("**Cut, to fit into a comment:**" in text) == (number >= 400)
    assert acting(text) == []
    assert text.count("<details>") == text.count("</details>")


def test_risks_that_are_beyond_any_comment_are_counted_and_said():
    made = plan("x")
    risks = tuple(Risk("gate", ("prod",), f"risk {at} " + "y" * 300) for at in range(2000))
    text = markdown_of(made._replace(projects=tuple(project._replace(risks=risks) for project in made.projects)))
    assert len(text) <= BUDGET
    assert "2000 risks" in text
    assert re.search(r"\d+ more risks", text)


def test_a_real_change(tmp_path: Path):
    after = basic()
    after["models"]["churn"]["version"] = "2.3.0"
    after["thresholds"]["release"]["rules"][0]["min"] = 0.86
    text = markdown_of(accounted(tmp_path, basic(), after))
    assert "- **a gate is looser**: `gate release: auc min 0.88 → min 0.86`" in text
    assert "churn 2.2.1 → 2.3.0" in text
    assert "```diff\n~ InferenceService" in text
    assert acting(text) == []
