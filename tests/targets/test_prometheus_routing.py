"""Alerts reach whom they should: the AlertmanagerConfig as Alertmanager's own tool routes it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from prometheus_sample import objects_of, plan_of, sample

from judges.alertmanager import lowered
from mlspec.diagnostics import Rejected
from mlspec.target import Rendering
from mlspec.targets.prometheus.routing import RoutingView

JUDGES = Path(os.environ.get("MLSPEC_JUDGES", Path.home() / ".cache" / "mlspec-judges")) / "bin"
AMTOOL = shutil.which("amtool") or (str(JUDGES / "amtool") if (JUDGES / "amtool").is_file() else None)
OURS = {"namespace": "shop", "project": "shop", "environment": "live", "endpoint": "rank", "alertname": "X"}


def routing(tree, folder, endpoint="rank"):
    plan = plan_of(tree, folder)
    rendering = Rendering("prometheus/alertmanager-config.yaml.j2", RoutingView(plan, endpoint), "x.yaml")
    return objects_of(plan, [rendering], folder)["AlertmanagerConfig", endpoint]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("routing")


@pytest.fixture(scope="module")
def whole(folder):
    return routing(sample(), folder)


def reached(config, folder, **labels):
    """Return the receivers of an alert, as amtool says; first lets it check the file."""
    if AMTOOL is None:
        pytest.skip("amtool is not here: set MLSPEC_JUDGES, or install prometheus-alertmanager")
    file = folder / "alertmanager.yml"
    file.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    checked = subprocess.run([AMTOOL, "check-config", file], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    told = [f"{name}={value}" for name, value in {**OURS, **labels}.items()]
    run = subprocess.run([AMTOOL, "config", "routes", "test", f"--config.file={file}", *told], capture_output=True, text=True, check=True)
    return [name.rpartition("/")[2] for name in run.stdout.strip().split(",")]


RETRAIN = {"mlspec_action": "retrain", "mlspec_pipeline": "train"}


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ({"severity": "critical"}, ["team"]),
        ({"severity": "warning"}, ["team"]),
        ({"severity": "other"}, ["team"]),
        ({"severity": "info"}, ["nobody"]),
        ({"severity": "critical", **RETRAIN}, ["retrain-train", "team"]),
        ({"severity": "warning", **RETRAIN}, ["retrain-train", "team"]),
        ({"severity": "info", **RETRAIN}, ["retrain-train", "nobody"]),
        ({"severity": "critical", "mlspec_action": "retrain", "mlspec_pipeline": "other"}, ["team"]),
        ({"severity": "critical", "endpoint": "words"}, ["cluster"]),
        ({"severity": "critical", "environment": "test"}, ["cluster"]),
        ({"severity": "critical", "project": "store"}, ["cluster"]),
        ({"severity": "critical", "namespace": "other"}, ["cluster"]),
    ],
)
def test_reaches(whole, folder, labels, receivers):
    assert reached(lowered(whole), folder, **labels) == receivers


def test_without_anyone_to_tell_only_what_starts_a_pipeline_is_taken(folder):
    config = lowered(routing(sample(**{"monitoring.rank.notify": None}), folder))
    assert reached(config, folder, severity="critical") == ["cluster"]
    assert reached(config, folder, severity="critical", **RETRAIN) == ["retrain-train"]


def test_a_breach_calls_the_event_source_once_for_all_its_alerts(whole):
    receiver = next(entry for entry in whole["spec"]["receivers"] if entry["name"] == "retrain-train")
    url = "http://train-breach-eventsource-svc.shop.svc:12000/breach"
    assert receiver["webhookConfigs"] == [{"url": url, "sendResolved": False}]
    route = whole["spec"]["route"]["routes"][0]
    assert (route["groupBy"], route["repeatInterval"], route["continue"]) == (["mlspec_pipeline"], "1d", True)


def test_receivers_hold_what_notify_says(whole):
    team = next(entry for entry in whole["spec"]["receivers"] if entry["name"] == "team")
    assert team["slackConfigs"][0]["channel"] == "#search-alerts"
    assert team["slackConfigs"][0]["apiURL"] == {"name": "shop-slack", "key": "url"}
    assert team["emailConfigs"][0]["to"] == "alerts@shop.example"
    assert team["webhookConfigs"][0]["urlSecret"] == {"name": "pager", "key": "url"}


def test_the_key_of_a_webhook_is_url_when_none_is_named(folder):
    made = routing(sample(**{"monitoring.rank.notify": {"webhook": {"secret": "pager"}}}), folder)
    assert made["spec"]["receivers"][1]["webhookConfigs"][0]["urlSecret"] == {"name": "pager", "key": "url"}


def test_a_channel_is_never_a_template(folder):
    with pytest.raises(Rejected, match="MLS-E509"):
        plan_of(sample(**{"monitoring.rank.notify": {"slack": "#a{{ .Alerts }}"}}), folder)


def test_a_warning_is_silent_below_the_same_alert_critical_but_never_one_that_retrains(whole):
    (rule,) = whole["spec"]["inhibitRules"]
    assert {"name": "severity", "value": "critical", "matchType": "="} in rule["sourceMatch"]
    assert {"name": "severity", "value": "warning", "matchType": "="} in rule["targetMatch"]
    assert {"name": "mlspec_action", "value": "retrain", "matchType": "!="} in rule["targetMatch"]
    assert rule["equal"] == ["alertname", "endpoint", "environment", "objective", "project", "version"]


def test_labels_by_which_alertmanager_finds_it(whole):
    assert whole["metadata"]["labels"]["watch"] == "yes"
