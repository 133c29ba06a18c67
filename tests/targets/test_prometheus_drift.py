"""Comparisons: what each field of drift, bias and outliers becomes, when they run, and what their pods may do."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from prometheus_sample import objects_of, plan_of, sample

from mlspec.targets.prometheus.compared import check_comparisons
from mlspec.targets.prometheus.drift import cron
from mlspec.targets.prometheus.surroundings import shared, surroundings


def made(tree, folder):
    plan = plan_of(tree, folder)
    renderings = [one for endpoint in plan.node.monitoring for one in surroundings(plan, endpoint)]
    return objects_of(plan, [*renderings, *shared(plan)], folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("drift")


@pytest.fixture(scope="module")
def shop(folder):
    return made(sample(), folder)


def container(objects, name):
    return objects["CronJob", name]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]


def options(objects, name):
    """Return the arguments of a comparison by name, as the process sees them."""
    words = [word.replace("$$", "$") for word in container(objects, name)["args"]]
    return dict(zip(words[::2], words[1::2], strict=True))


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("rank-drift", "--task", "drift"),
        ("rank-drift", "--against", "s3://shop/visits"),
        ("rank-drift", "--current", "s3://shop/requests"),
        ("rank-drift", "--rules", "/mlspec/rules-input-drift.json"),
        ("rank-drift", "--dataset", "/mlspec/dataset-visits.json"),
        ("rank-drift", "--pushgateway", "http://push.watch.svc:9091"),
        ("rank-drift", "--labels", '{"project": "shop", "environment": "live", "endpoint": "rank", "task": "drift"}'),
        ("rank-bias", "--task", "bias"),
        ("rank-bias", "--options", '{"across": "gender", "maxGap": "0.1", "metric": "selectionRate", "window": 86400}'),
        ("rank-outliers", "--task", "outliers"),
        ("rank-outliers", "--options", '{"method": "isolationForest", "share": "0.01", "window": 86400}'),
    ],
)
def test_arguments(shop, name, option, value):
    assert options(shop, name)[option] == value


@pytest.mark.parametrize(
    ("kind", "name", "path", "value"),
    [
        ("CronJob", "rank-drift", "spec/timeZone", "Etc/UTC"),
        ("CronJob", "rank-drift", "spec/concurrencyPolicy", "Forbid"),
        ("CronJob", "rank-drift", "spec/startingDeadlineSeconds", 900),
        ("CronJob", "rank-drift", "spec/jobTemplate/spec/activeDeadlineSeconds", 1800),
        ("CronJob", "rank-drift", "spec/jobTemplate/spec/template/spec/serviceAccountName", "rank-monitors"),
        ("CronJob", "rank-drift", "spec/jobTemplate/spec/template/spec/automountServiceAccountToken", False),
        ("CronJob", "rank-drift", "spec/jobTemplate/spec/template/spec/containers/0/image", "ghcr.io/shop/compare@sha256:" + "ab" * 32),
        ("CronJob", "rank-drift", "spec/jobTemplate/spec/template/spec/containers/0/envFrom", [{"secretRef": {"name": "object-store"}}]),
        ("ServiceAccount", "rank-monitors", "automountServiceAccountToken", False),
        ("ServiceAccount", "rank-monitors", "metadata/annotations/eks.amazonaws.com~role-arn", "arn:aws:iam::1:role/search"),
        ("NetworkPolicy", "rank-monitors", "spec/policyTypes", ["Ingress", "Egress"]),
        ("NetworkPolicy", "rank-monitors", "spec/egress/2/ports", [{"port": 9091, "protocol": "TCP"}]),
        ("ExternalSecret", "pager", "spec/secretStoreRef", {"kind": "ClusterSecretStore", "name": "vault"}),
        ("ExternalSecret", "shop-slack", "spec/target/name", "shop-slack"),
    ],
)
def test_becomes(shop, kind, name, path, value):
    item = shop[kind, name]
    for part in path.split("/"):
        item = item[int(part)] if isinstance(item, list) else item[part.replace("~", "/")]
    assert item == value


def test_the_policy_lets_out_to_names_the_store_and_the_pushgateway_only(shop):
    policy = shop["NetworkPolicy", "rank-monitors"]["spec"]
    assert "ingress" not in policy
    assert [[port["port"] for port in rule["ports"]] for rule in policy["egress"]] == [[53, 53], [443], [9091]]
    space = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "watch"}}}
    assert policy["egress"][2]["to"] == [space]
    pods = shop["CronJob", "rank-drift"]["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= pods.items()


def test_a_pushgateway_outside_the_cluster_is_reached_by_port(folder):
    objects = made(sample(**{"platform.monitoring.prometheus.pushgateway": "https://push.example:8443"}), folder)
    assert objects["NetworkPolicy", "rank-monitors"]["spec"]["egress"][2] == {"ports": [{"port": 8443, "protocol": "TCP"}]}


def test_the_config_map_holds_the_program_the_rules_and_the_dataset(shop):
    ((kind, name), programs) = next(entry for entry in shop.items() if entry[0][1].startswith("shop-monitors-"))
    assert kind == "ConfigMap"
    assert programs["immutable"] is True
    assert sorted(programs["data"]) == ["dataset-visits.json", "drift.py", "rules-input-drift.json"]
    rules = json.loads(programs["data"]["rules-input-drift.json"])
    assert [(rule["metric"], rule["column"], rule["max"]) for rule in rules["rules"]] == [
        ("psi", "age", "0.2"),
        ("psi", "plan", "0.2"),
        ("missingRatio", "age", "0.05"),
    ]
    mounted = [volume["configMap"]["name"] for volume in pod(shop, "rank-drift")["volumes"] if "configMap" in volume]
    assert mounted == [name]
    compile(programs["data"]["drift.py"], "drift.py", "exec")


def pod(objects, name):
    return objects["CronJob", name]["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def test_the_name_of_the_config_map_changes_with_what_it_holds(shop, folder):
    changed = sample()
    changed["thresholds"]["input-drift"]["rules"][0]["max"] = 0.25
    names = [next(name for _, name in objects if name.startswith("shop-monitors-")) for objects in (shop, made(changed, folder))]
    assert names[0] != names[1]


@pytest.mark.parametrize("name", ["rank-drift", "rank-bias", "rank-outliers"])
def test_pods_are_restricted(shop, name):
    spec, one = pod(shop, name), container(shop, name)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert one["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    resources = {"requests": {"cpu": "500m", "memory": "1Gi", "ephemeral-storage": "64Mi"}, "limits": {"memory": "1Gi"}}
    resources["limits"]["ephemeral-storage"] = "1088Mi"  # what /tmp may hold, and a log
    assert one["resources"] == resources


def test_where_logs_lie_and_which_image_are_found_when_not_said(folder):
    tree = sample(**{"monitoring.rank.drift.current": None, "monitoring.rank.drift.image": None})
    objects = made(tree, folder)
    assert options(objects, "rank-drift")["--current"] == "s3://shop/log"
    assert container(objects, "rank-drift")["image"] == "ghcr.io/shop/train@sha256:" + "ab" * 32


def alone(part, **changes):
    """Return the spec with one comparison, without drift."""
    others = {f"monitoring.rank.{other}": None for other in ("drift", "bias", "outliers") if other != part}
    return sample(**{**others, "monitoring.rank.alerts": ["online"], "pipelines.train.on": None, **changes})


@pytest.mark.parametrize("part", ["bias", "outliers"])
def test_without_drift_the_data_of_the_evaluation_is_the_reference(folder, part):
    objects = made(alone(part), folder)
    assert [name for kind, name in objects if kind == "CronJob"] == [f"rank-{part}"]
    assert options(objects, f"rank-{part}")["--dataset"] == "/mlspec/dataset-visits.json"
    assert options(objects, f"rank-{part}").get("--against") == (None if part == "bias" else "s3://shop/visits")


def found(tree, folder):
    return [(finding.code.id, ".".join(map(str, finding.found.path))) for finding in check_comparisons(plan_of(tree, folder))]


def test_without_any_dataset_it_is_refused(folder):
    tree = alone("outliers", **{"models.rank.evaluatedOn": None})
    assert found(tree, folder) == [("MLS-E844", "monitoring.rank.outliers")]


@pytest.mark.parametrize("metric", ["selectionRate", "selection_rate", "accuracy", "true_positive_rate", "falsePositiveRate", "precision"])
def test_known_rates_of_bias(folder, metric):
    assert found(sample(**{"monitoring.rank.bias.metric": metric}), folder) == []


def test_an_unknown_rate_of_bias_is_refused(folder):
    assert found(sample(**{"monitoring.rank.bias.metric": "fairness"}), folder) == [("MLS-E843", "monitoring.rank.bias.metric")]


def test_the_order_of_the_columns_is_that_of_the_signature(folder):
    tree = sample(**{"models.rank.signature": {"inputs": {"plan": "string", "age": "int64"}, "outputs": {"score": "float64"}}})
    assert json.loads(options(made(tree, folder), "rank-drift")["--options"])["columns"] == ["age", "plan"]


def test_every_threshold_has_its_own_rules(folder):
    tree = sample(**{"monitoring.rank.alerts": ["online", "input-drift", "more"]})
    tree["thresholds"]["more"] = {"on": "drift", "rules": [{"metric": "ks", "column": "age", "max": 0.3}]}
    words = container(made(tree, folder), "rank-drift")["args"]
    assert [words[at + 1] for at, word in enumerate(words) if word == "--rules"] == [
        "/mlspec/rules-input-drift.json",
        "/mlspec/rules-more.json",
    ]


def test_what_another_attempt_does_not_help_is_not_tried_again(shop):
    job = shop["CronJob", "rank-drift"]["spec"]["jobTemplate"]["spec"]
    assert job["podFailurePolicy"]["rules"][0]["onExitCodes"] == {"containerName": "drift", "operator": "In", "values": [1, 2]}


@pytest.mark.parametrize("name", ["rank-drift", "rank-bias", "rank-outliers"])
def test_the_program_takes_the_arguments(shop, name, tmp_path):
    (programs,) = [item["data"] for (kind, called), item in shop.items() if called.startswith("shop-monitors-")]
    for key, text in programs.items():
        (tmp_path / key).write_text(text, encoding="utf-8")
    words = [word.replace("/mlspec/", f"{tmp_path}/") for word in container(shop, name)["args"]]
    words[words.index("--current") + 1] = str(tmp_path / "absent")
    run = subprocess.run([sys.executable, tmp_path / "drift.py", *words], capture_output=True, text=True, check=False)
    assert (run.returncode, "usage" in run.stderr) == (3, False), run.stderr


def test_nothing_runs_for_thresholds_that_are_off(folder):
    objects = made(sample(**{"thresholds.input-drift.mode": "off"}), folder)
    assert objects["CronJob", "rank-drift"]["spec"]["suspend"] is True
    assert "suspend" not in objects["CronJob", "rank-bias"]["spec"]


def test_credentials_of_google_are_a_file(folder):
    objects = made(sample(**{"monitoring.rank.drift.current": "gs://shop/requests"}), folder)
    one = container(objects, "rank-drift")
    assert {"name": "GOOGLE_APPLICATION_CREDENTIALS", "value": "/var/run/mlspec/storage/gcloud-application-credentials.json"} in one["env"]
    assert {"name": "storage", "secret": {"secretName": "object-store"}} in pod(objects, "rank-drift")["volumes"]


def test_a_dataset_of_lakefs_is_read_at_its_commit(folder):
    changes = {"datasets.visits.uri": "lakefs://shop/main/visits", "datasets.visits.version": {"lakefs": "shop/main@abc123"}}
    assert options(made(sample(**changes), folder), "rank-drift")["--against"] == "lakefs://shop/abc123/visits"


PERIODS = [60 * n for n in (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30)] + [3600 * n for n in (1, 2, 3, 4, 6, 8, 12, 24)]


def minutes(line):
    """Return the minutes of a day at which a cron line fires."""

    def field(text, size):
        found = set()
        for part in text.split(","):
            span, _, step = part.partition("/")
            low, _, high = ("0", "", str(size - 1)) if span == "*" else span.partition("-")
            found |= set(range(int(low), int(high or low) + 1, int(step or 1)))
        return found

    minute, hour, *rest = line.split()
    assert rest == ["*", "*", "*"]
    return sorted(h * 60 + m for h in field(hour, 24) for m in field(minute, 60))


@pytest.mark.parametrize("every", PERIODS)
@pytest.mark.parametrize("name", ["a/b/c/drift", "shop/live/rank/drift", "x/y/z/bias", "é/ü/ö/outliers"])
def test_runs_keep_their_distance_exactly(every, name):
    times = minutes(cron(every, name))
    assert len(times) == 86400 // every
    assert {(b - a) * 60 for a, b in zip(times, [*times[1:], times[0] + 1440], strict=True)} == {every}
    assert cron(every, name) == cron(every, name)


def test_endpoints_do_not_all_start_at_once():
    assert len({cron(3600, f"p/e/{n}/drift") for n in range(100)}) > 30


def test_arguments_reach_the_process_as_they_are_written(folder):
    tree = sample(**{"monitoring.rank.drift.current": "s3://shop/$(HOME)/x"})
    words = container(made(tree, folder), "rank-drift")["args"]
    assert "s3://shop/$$(HOME)/x" in words
    assert shlex.join(words)
    assert not any(re.search(r"(?<!\$)\$\(", word) for word in words)
