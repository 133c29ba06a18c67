"""Names that meet, that are too long, and that other systems keep for themselves; and how names are made."""

import hashlib

import pytest

from checks.build_serving import findings
from mlspec.checks import names
from mlspec.names import object_name, shorten, spell, version_of

MODELS = "models: {a: {framework: sklearn, version: 1.0.0, uri: s3://m/a}, b: {framework: sklearn, version: 1.0.0, uri: s3://m/b}}\n"
X = "expose: {host: x.acme.example}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("datasets: {team_a: {uri: s3://d/a}, team-a: {uri: s3://d/b}}", [("MLS-E302", "datasets/team-a")]),
        ("datasets: {Fraud: {uri: s3://d/a}, fraud: {uri: s3://d/b}}", [("MLS-E302", "datasets/fraud")]),
        ("datasets: {a_: {uri: s3://d/a}, a: {uri: s3://d/b}}", [("MLS-E302", "datasets/a")]),
        ("datasets: {_: {uri: s3://d/a}}", [("MLS-E303", "datasets/_")]),
        ("serving: {2x: {model: a}}", [("MLS-E304", "serving/2x")]),
        ("serving: {" + "x" * 49 + ": {model: a}}", [("MLS-E305", "serving/" + "x" * 49)]),
        ("serving: {" + "x" * 48 + ": {model: a}}", []),
        ("serving: {" + "x" * 47 + ": {model: a, transform: {image: r/i}}}", [("MLS-E305", "serving/" + "x" * 47)]),
        ("serving: {x: {model: a, rollout: {strategy: canary}, " + X + "}, x-canary: {model: a}}", [("MLS-E308", "serving/x/rollout")]),
        ("serving: {x: {model: a, split: {b: 5}, " + X + "}, x-b: {model: a}}", [("MLS-E308", "serving/x/split/b")]),
        ("serving: {x: {model: a, shadow: b, " + X + "}, x-b: {model: a}}", [("MLS-E308", "serving/x/shadow")]),
        ("serving: {x: {model: a}, x-predictor: {model: a}}", [("MLS-E308", "serving/x")]),
        ("platform: {serving: kubernetes}\nserving: {x: {model: a}, x-predictor: {model: a}}", []),
        ("name: con", [("MLS-E306", "name")]),
        ("environments: {nul: {namespace: n}}", [("MLS-E306", "environments/nul")]),
        ("name: flux", [("MLS-E307", "name")]),
        ("output: {root: a/../b}", [("MLS-E309", "output/root")]),
        ("output: {root: deploy.}", [("MLS-E309", "output/root")]),
        ("output: {root: a/aux.d}", [("MLS-E309", "output/root")]),
        ("templates: ../t", [("MLS-E309", "templates")]),
        ("output: {root: .}", [("MLS-E309", "output/root")]),
        ("output: {root: .git/hooks}", [("MLS-E516", "output/root")]),
        ("output: {root: a/.GitHub/workflows}", [("MLS-E516", "output/root")]),
        ("output: {root: build/deploy/}", []),
        ("environments: {prod: {namespace: kube-public}}", [("MLS-E515", "environments/prod/namespace")]),
        ("environments: {prod: {namespace: default}}", [("MLS-E515", "environments/prod/namespace")]),
        ("environments: {prod: {namespace: argocd}}", [("MLS-E515", "environments/prod/namespace")]),
        (
            "platform: {gitops: {argocd: {namespace: cd}}}\nenvironments: {prod: {namespace: cd}}",
            [("MLS-E515", "environments/prod/namespace")],
        ),
        ("name: default", [("MLS-E515", "name")]),
    ],
)
def test_names(text, expected):
    assert findings(f"{MODELS}{text}\n", names) == expected


def test_a_long_name_keeps_its_beginning_and_gets_a_hash():
    long = "recommendations-for-subscribers-of-the-weekly-newsletter-in-europe-canary"
    assert shorten("short", 63) == "short"
    assert shorten(long, 63) == f"{long[:54]}-{hashlib.sha256(long.encode()).hexdigest()[:8]}"
    assert len(shorten(long, 63)) == 63
    assert shorten("a" * 5 + "-" * 5 + "b" * 60, 18).startswith("aaaaa-")
    with pytest.raises(ValueError, match="no room"):
        shorten(long, 9)


def test_names_of_objects():
    assert spell("_Team_A_") == "team-a"
    assert object_name("churn", "customers_quality") == "churn-customers-quality"
    assert object_name("a" * 40, "b" * 40, limit=52) != object_name("a" * 40, "b" * 41, limit=52)
    assert version_of("churn", "canary", "prod") == "churn-canary"
    assert len(version_of("c" * 40, "challenger", "production")) + len("-predictor-production") <= 63
