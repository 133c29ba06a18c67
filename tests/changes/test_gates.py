"""The ratchet: every kind of loosening is found, no tightening is called one, and the gate program agrees."""

import random

import pytest

from mlspec.changes.bounds import ALERT, GATE
from mlspec.changes.gates import Gates, Use, gates_of, loosenings
from mlspec.compiler import show
from mlspec.examine import examine
from mlspec.runtime.gate import status_of, verdicts


def threshold(*rules, on="evaluation", mode="enforce"):
    made = [{"name": rule.get("metric", "q"), "severity": "block", **rule} for rule in rules]
    return {"threshold": "t", "on": on, "mode": mode, "rules": made}


def kinds(old, new, how=None):
    uses = (Use("t", "serving.a", how, ()),) if how else ()
    before, after = (Gates({"t": one}, uses, frozenset({"serving.a"})) for one in (old, new))
    return [one.kind for one in loosenings(before, after)]


PAIRS = [  # on, strict, loose, what it is called
    ("evaluation", {"metric": "auc", "min": "0.88"}, {"metric": "auc", "min": "0.86"}, "value"),
    ("evaluation", {"metric": "loss", "max": "0.1"}, {"metric": "loss", "max": "0.2"}, "value"),
    ("evaluation", {"metric": "auc", "min": "0.8", "max": "0.9"}, {"metric": "auc", "min": "0.8", "max": "0.99"}, "value"),
    ("evaluation", {"metric": "auc", "min": "0.8", "max": "0.9"}, {"metric": "auc", "min": "0.8"}, "bound"),
    ("evaluation", {"metric": "n", "equals": "3"}, {"metric": "n", "min": "3"}, "bound"),
    ("evaluation", {"metric": "auc", "maxGap": "0.05", "across": "sex"}, {"metric": "auc", "maxGap": "0.1", "across": "sex"}, "value"),
    ("evaluation", {"metric": "auc", "min": "0.8"}, {"metric": "auc", "min": "0.8", "severity": "warn"}, "severity"),
    ("evaluation", {"metric": "auc", "min": "0.8", "minSamples": 1000}, {"metric": "auc", "min": "0.8", "minSamples": 10}, "minSamples"),
    ("evaluation", {"metric": "auc", "min": "0.8", "minSamples": 1000}, {"metric": "auc", "min": "0.8"}, "minSamples"),
    ("data", {"metric": "nullRatio", "column": "age", "max": "0.01"}, {"metric": "nullRatio", "column": "age", "max": "0.02"}, "value"),
    ("live", {"metric": "latency", "quantile": "0.99", "max": "0.2"}, {"metric": "latency", "quantile": "0.95", "max": "0.2"}, "quantile"),
    ("live", {"metric": "errorRate", "max": "0.01", "window": 300}, {"metric": "errorRate", "max": "0.01", "window": 3600}, "window"),
    ("live", {"metric": "errorRate", "max": "0.01"}, {"metric": "errorRate", "max": "0.01", "window": 3600}, "window"),
    ("live", {"metric": "errorRate", "max": "0.01"}, {"metric": "errorRate", "max": "0.01", "for": 600}, "for"),
    ("drift", {"metric": "psi", "max": "0.2"}, {"metric": "psi", "max": "0.25"}, "value"),
    ("drift", {"metric": "psi", "max": "0.2"}, {"metric": "psi", "max": "0.2", "minSamples": 500}, "minSamples"),
    (
        "evaluation",
        {"metric": "auc", "noWorseThan": "champion", "better": "more"},
        {"metric": "auc", "noWorseThan": "champion", "better": "more", "toleranceShare": "0.01"},
        "tolerance",
    ),
    (
        "evaluation",
        {"metric": "auc", "noWorseThan": "champion", "better": "more", "tolerance": "0.01"},
        {"metric": "auc", "noWorseThan": "champion", "better": "more", "tolerance": "0.02"},
        "tolerance",
    ),
]


@pytest.mark.parametrize(("on", "strict", "loose", "kind"), PAIRS)
def test_a_loosening_is_found_and_its_reverse_is_none(on, strict, loose, kind):
    assert kinds(threshold(strict, on=on), threshold(loose, on=on)) == [kind]
    assert kinds(threshold(loose, on=on), threshold(strict, on=on)) == []


@pytest.mark.parametrize(("on", "strict", "loose", "kind"), PAIRS)
def test_it_is_found_among_other_rules_in_another_order_and_under_another_name(on, strict, loose, kind):
    other = {"metric": "rows" if on == "data" else "other", "min": "1"}
    renamed = {**loose, "name": "quite another name"}
    assert kinds(threshold(other, strict, on=on), threshold(renamed, other, on=on)) == [kind]
    assert kinds(threshold(other, strict, on=on), threshold({**strict, "name": "x"}, other, on=on)) == []


@pytest.mark.parametrize(("on", "strict", "loose", "kind"), PAIRS)
def test_a_rule_that_is_removed_is_found_whatever_it_says(on, strict, loose, kind):
    other = {"metric": "other", "min": "1"}
    found = kinds(threshold(other, strict, on=on), threshold(other, on=on))
    assert set(found) == {"rule"}
    assert kinds(threshold(other, on=on), threshold(other, strict, on=on)) == []


@pytest.mark.parametrize(("before", "after"), [("enforce", "report"), ("enforce", "off"), ("report", "off")])
def test_a_mode_that_stops_less_is_a_loosening(before, after):
    rule = {"metric": "auc", "min": "0.8"}
    assert kinds(threshold(rule, mode=before), threshold(rule, mode=after)) == ["mode"]
    assert kinds(threshold(rule, mode=after), threshold(rule, mode=before)) == []


def test_a_bound_that_is_turned_around_is_named_so():
    assert kinds(threshold({"metric": "auc", "min": "0.9"}), threshold({"metric": "auc", "max": "0.9"})) == ["direction"]
    better = {"metric": "x", "noWorseThan": "champion", "better": "more"}
    assert kinds(threshold(better), threshold({**better, "better": "less"})) == ["direction"]


def test_slices_of_another_column_and_another_metric():
    sliced = {"metric": "auc", "min": "0.8", "forEach": "region"}
    assert kinds(threshold(sliced), threshold({**sliced, "forEach": "age"})) == ["slice"]
    assert kinds(threshold(sliced), threshold({**sliced, "metric": "f1"})) == ["rule"]


def test_all_together_and_each_slice_are_two_promises():
    sliced, whole = {"metric": "auc", "min": "0.8", "forEach": "region"}, {"metric": "auc", "min": "0.8"}
    assert kinds(threshold(sliced), threshold(whole)) == ["slice"]
    assert kinds(threshold(whole), threshold(sliced)) == ["slice"]
    assert kinds(threshold(whole), threshold(whole, sliced)) == []


def test_what_samples_are_for_decides_which_way_is_looser():
    few, many = ({"metric": "errorRate", "max": "0.01", "minSamples": n} for n in (10, 100))
    assert kinds(threshold(many, on="live"), threshold(few, on="live"), GATE) == ["minSamples"]
    assert kinds(threshold(few, on="live"), threshold(many, on="live"), GATE) == []
    assert kinds(threshold(few, on="live"), threshold(many, on="live"), ALERT) == ["minSamples"]
    assert kinds(threshold(many, on="live"), threshold(few, on="live"), ALERT) == []


def gates(thresholds, uses, guarded=("pipelines.train",)):
    made = tuple(Use(name, "pipelines.train", GATE, ("pipelines", "train", "steps", name, "gate")) for name in uses)
    return Gates(thresholds, made, frozenset(guarded))


def test_a_gate_that_nothing_refers_to_any_more():
    one = threshold({"metric": "auc", "min": "0.8"})
    before = gates({"t": one}, ["t"])
    assert [found.kind for found in loosenings(before, gates({"t": one}, []))] == ["reference"]
    assert [found.kind for found in loosenings(before, gates({}, []))] == ["threshold"]
    assert loosenings(before, gates({}, [], guarded=())) == []  # the pipeline itself is gone


def test_a_gate_under_another_name_is_held_against_the_one_it_replaces():
    before = gates({"t": threshold({"metric": "auc", "min": "0.8"})}, ["t"])
    assert loosenings(before, gates({"u": threshold({"metric": "auc", "min": "0.9"})}, ["u"])) == []
    assert [found.kind for found in loosenings(before, gates({"u": threshold({"metric": "auc", "min": "0.7"})}, ["u"]))] == ["value"]
    split = gates({"u": threshold({"metric": "f1", "min": "0.7"}), "v": threshold({"metric": "auc", "min": "0.8"})}, ["u", "v"])
    assert loosenings(before, split) == []


def test_a_threshold_that_nothing_used_and_that_is_gone():
    assert kinds(threshold({"metric": "auc", "min": "0.8"}), threshold({"metric": "auc", "min": "0.8"})) == []
    assert [found.kind for found in loosenings(Gates({"t": threshold({"metric": "auc", "min": "0.8"})}), Gates({}))] == ["threshold"]


def drawn(dice):
    """Return an evaluation rule, as an environment of a spec may have it."""
    rule = {"name": "r", "metric": dice.choice(["a", "b"]), "severity": dice.choice(["block", "block", "warn"])}
    kind = dice.choice(["min", "max", "both", "equals", "gap", "champion"])
    low, high = sorted(dice.sample(range(1, 9), 2))
    if kind in ("min", "both"):
        rule["min"] = f"0.{low}"
    if kind in ("max", "both"):
        rule["max"] = f"0.{high}"
    if kind == "equals":
        rule["equals"] = f"0.{low}"
    if kind == "champion":
        rule |= {"noWorseThan": "champion", "better": dice.choice(["more", "less"])}
        rule |= dice.choice([{}, {"tolerance": f"0.{low}"}, {"toleranceShare": f"0.{low}"}])
    if kind == "gap":
        rule |= {"maxGap": f"0.{low}", "across": "c"}
    elif dice.random() < 0.3:
        rule["forEach"] = "c"
    if dice.random() < 0.3:
        rule["minSamples"] = dice.choice([5, 50])
    return rule


def passes(rules, metrics, champion):
    def compare(rule, found, at):
        best = champion[rule["metric"]]
        from decimal import Decimal

        slack = abs(best) * Decimal(rule["toleranceShare"]) if "toleranceShare" in rule else Decimal(rule.get("tolerance", 0))
        worse = found < best - slack if rule["better"] == "more" else found > best + slack
        return "worse" if worse else "", "", "failed"

    made = verdicts(rules, metrics, metrics["slices"], compare)
    return status_of(rules, made) == 0 and not any(entry["verdict"] == "warning" for entry in made), status_of(rules, made) == 0


def test_what_the_gate_program_lets_through_anew_was_called_a_loosening():
    from decimal import Decimal

    dice = random.Random(5)
    clean = 0
    for _ in range(1500):
        old = {"threshold": "t", "on": "evaluation", "mode": "enforce", "rules": [drawn(dice) for _ in range(dice.randint(1, 2))]}
        new = {**old, "rules": [dict(rule) for rule in old["rules"]]}
        at = dice.randrange(len(new["rules"]))
        for key, value in drawn(dice).items():
            if key in new["rules"][at] and key not in ("name", "metric") and dice.random() < 0.6:
                new["rules"][at][key] = value
        if dice.random() < 0.1:
            new["rules"].append(drawn(dice))
        if loosenings(Gates({"t": old}), Gates({"t": new})):
            continue
        clean += 1
        for _ in range(40):
            rows = dice.choice([2, 20, 200])

            def some(rows=rows):
                return {"a": Decimal(dice.randint(0, 10)) / 10, "b": Decimal(dice.randint(0, 10)) / 10, "rows": Decimal(rows)}

            metrics = {**some(), "slices": {"c": {"x": some(), "y": some()}}}
            champion = {"a": Decimal(dice.randint(0, 10)) / 10, "b": Decimal(dice.randint(0, 10)) / 10}
            quiet, through = passes(new, metrics, champion)
            was_quiet, was_through = passes(old, metrics, champion)
            assert not (through and not was_through), (old, new, metrics, champion)
            assert not (quiet and not was_quiet), (old, new, metrics, champion)
    assert clean > 300


def test_gates_of_a_plan(tmp_path):
    spec = tmp_path / "mlspec.yaml"
    spec.write_text(
        """
apiVersion: mlspec.dev/v1
name: churn
owner: {team: growth}
models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
serving:
  churn: {model: churn, expose: {host: churn.example.com}}
monitoring: {churn: {alerts: [alive]}}
thresholds: {alive: {on: live, rules: [{metric: errorRate, max: 1%}]}}
"""
    )
    (plan,) = examine(spec, tmp_path, show, {}).plans
    found = gates_of(plan)
    assert found.thresholds["alive"]["rules"][0]["max"] == "0.01"
    assert found.uses == (Use("alive", "serving.churn", ALERT, ("monitoring", "churn", "alerts", 0)),)
    assert "serving.churn" in found.guarded
    assert loosenings(found, found) == []
