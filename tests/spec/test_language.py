"""The schema, the models and the compiled shape accept the same specs."""

import copy
from decimal import Decimal

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlspec.resources import schemas_root
from mlspec.spec.parse import explain, language, schema
from mlspec.spec.schema import build_schema, schema_text

WHOLE = {
    "apiVersion": "mlspec.dev/v1",
    "name": "demo",
    "owner": {"team": "ml", "email": "ml@example.org"},
    "objectives": [{"kpi": "churn", "target": "2 %", "by": "2027-01-31"}],
    "platform": {
        "serving": {"kserve": {"version": "0.20", "mode": "standard"}},
        "ci": ["github", {"gitlab": {"runner": "large"}}],
        "registry": {"mlflow": "http://m.svc:5000"},
    },
    "vars": {"bucket": "b", "count": 3, "share": Decimal("0.5"), "on": True},
    "environments": {
        "dev": {"namespace": "demo-dev"},
        "prod": {"namespace": "demo", "after": "dev", "approvals": 2, "overrides": {"serving": {"api": {"replicas": 3}}}},
    },
    "datasets": {
        "customers": {
            "uri": "s3://b/customers",
            "format": "parquet",
            "version": {"sha256": "0" * 64},
            "schema": {"age": {"type": "integer", "min": 18, "max": 120}, "plan": {"type": "category", "values": ["a", "b"]}},
            "refresh": {"schedule": "0 2 * * *", "maxAge": "36h"},
            "splits": {"train": "80%", "test": Decimal("0.2")},
        }
    },
    "features": {"stats": {"entity": "age", "from": "customers", "fields": ["plan"], "ttl": "30d", "online": True}},
    "models": {
        "churn": {
            "framework": "xgboost",
            "version": "2.3.0",
            "uri": "s3://b/m",
            "signature": {"inputs": {"x": "int64", "y": {"type": "float32", "shape": [-1, 3]}}},
        }
    },
    "pipelines": {
        "train": {
            "schedule": {"cron": "0 3 * * 1", "timezone": "Europe/Berlin"},
            "on": [{"dataset": "customers"}],
            "image": "ghcr.io/a/b@sha256:" + "0" * 64,
            "parameters": {"depth": 6},
            "retries": 2,
            "steps": {
                "prepare": {
                    "run": ["python", "x.py", "${outputs.table}"],
                    "inputs": {"raw": "datasets.customers"},
                    "outputs": {"table": "parquet"},
                },
                "fit": {
                    "run": "python fit.py",
                    "distributed": {"framework": "pytorch", "nodes": 2},
                    "resources": {"cpu": "8", "memory": "16Gi", "gpu": {"count": 1}},
                },
                "tune": {
                    "run": ["x"],
                    "tune": {
                        "objective": {"metric": "auc", "goal": "maximize"},
                        "trials": {"max": 4},
                        "search": {"depth": {"int": [3, 10]}},
                    },
                },
                "gate": {"gate": "release", "metrics": "steps.fit.metrics"},
                "register": {"register": "churn", "model": "steps.fit.model", "after": ["gate"]},
                "check": {"check": "quality", "data": "customers"},
                "score": {"score": "churn", "data": "customers", "output": "s3://b/s", "run": ["y"]},
                "book": {"notebook": "a/b.ipynb", "parameters": {"n": 1}},
                "again": {"use": "prepare", "retries": 1},
            },
        }
    },
    "thresholds": {
        "release": {
            "on": "evaluation",
            "rules": [{"metric": "auc", "min": Decimal("0.86")}, {"metric": "auc", "noWorseThan": "champion", "tolerance": "1%"}],
        }
    },
    "serving": {
        "api": {
            "model": "churn",
            "replicas": {"min": 1, "max": 4},
            "autoscale": {"metric": "cpu", "target": "80%"},
            "env": {"A": "b", "C": {"secret": "s/k"}},
            "rollout": {"strategy": "canary", "steps": [10, 50], "pause": "10m"},
            "expose": {"host": "${vars.host}", "tls": True},
            "shadow": {"model": "churn", "percent": 5},
            "place": {"nodeSelector": {"a": "b"}, "tolerations": [{"key": "gpu", "operator": "Exists"}], "spread": "zone"},
        },
        "graph": {"graph": {"sequence": ["api", {"api": {"when": "count > 0"}}, {"ensemble": ["api"]}]}},
    },
    "monitoring": {
        "api": {
            "slo": {"availability": "99.9%"},
            "alerts": ["online"],
            "drift": {"against": "customers", "every": "30m"},
            "notify": {"webhook": {"secret": "hook/url"}},
        }
    },
    "governance": {"risk": "limited", "waivers": [{"code": "X", "reason": "y", "owner": "z", "until": "2027-01-01"}]},
    "patches": [{"target": {"kind": "Service"}, "reason": "why", "json": [{"op": "add", "path": "/a", "value": {"b": None}}]}],
    "output": {"root": "deploy", "layout": "object"},
}

JUDGE = jsonschema.Draft7Validator(build_schema())
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 2000),
    st.decimals(-2, 2, places=2),
    st.sampled_from(
        [
            "",
            "x",
            "-x",
            "X_1",
            "1%",
            "0%",
            "100%",
            "101%",
            "5m",
            "0s",
            "1h30m",
            "1h 30m",
            "500m",
            "2Gi",
            "2GB",
            "s3://a/b",
            "http://x",
            "a/b",
            "/a",
            "${vars.x}",
            "${x}",
            "2027-01-31",
            "* * * * *",
            "true",
            "no",
            "a\nb",
            "é",
            "kserve",
            "prod",
        ]
    ),
    st.text(max_size=12),
)
VALUES = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=2),
    st.dictionaries(st.sampled_from(["min", "max", "a", "secret", "model", "in", "kserve", "Bad Key"]), SCALARS, max_size=2),
)


def places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


PLACES = [place for place in places(WHOLE) if place]


def mutate(tree, place, change, value):
    tree = copy.deepcopy(tree)
    holder = tree
    for part in place[:-1]:
        holder = holder[part]
    if change == "replace":
        holder[place[-1]] = value
    elif change == "remove":
        del holder[place[-1]]
    elif isinstance(holder, dict):
        holder[str(value)[:20] or "new"] = value
    else:
        holder.append(value)
    return tree


def holds_line_end(value):
    """``$`` in a pattern lets Python, unlike JSON Schema's own dialect, pass a line end at the end."""
    if isinstance(value, dict):
        return any(holds_line_end(key) or holds_line_end(item) for key, item in value.items())
    if isinstance(value, list):
        return any(map(holds_line_end, value))
    return isinstance(value, str) and value.endswith("\n")


def test_the_whole_language_is_accepted():
    assert explain(WHOLE) == []
    assert language().accepts(WHOLE)
    assert JUDGE.is_valid(WHOLE)


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(PLACES), st.sampled_from(["replace", "remove", "add"]), VALUES)
def test_schema_models_and_shape_agree(place, change, value):
    tree = mutate(WHOLE, place, change, value)
    by_models = explain(tree) == []
    assert language().accepts(tree) == by_models
    if not holds_line_end(tree):
        assert JUDGE.is_valid(tree) == by_models


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PLACES), VALUES)
def test_a_fault_is_placed_within_the_mutated_part_or_at_what_it_lacks(place, value):
    tree = mutate(WHOLE, place, "replace", value)
    for finding in explain(tree):
        path = finding.found.path
        assert path[: len(place)] == place[: len(path)]
        assert finding.found.message
        assert finding.found.help


@pytest.mark.parametrize("name", ["mlspec.v1.schema.json"])
def test_the_published_schema_is_current(name):
    assert (schemas_root() / name).read_text(encoding="utf-8") == schema_text(), "run make update"


def test_every_field_is_described():
    for name, definition in schema()["definitions"].items():
        assert definition.get("description"), name
        for field, node in definition["properties"].items():
            told = node.get("description") or "$ref" in node
            assert told, f"{name}.{field}"
