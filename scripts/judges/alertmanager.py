"""An AlertmanagerConfig as the configuration that the Prometheus operator (0.93) gives to Alertmanager."""

from __future__ import annotations

from typing import Any

STAND_IN = "http://stand.in"  # for what the operator reads from Secrets
NAMES = {"urlSecret": "url", "apiURL": "api_url"}


def lowered(made: dict[str, Any], default: str = "cluster") -> dict[str, Any]:
    """Return alertmanager.yml as it would be with this object alone beside the receiver of the cluster."""
    space = made["metadata"]["namespace"]
    prefix = f"{space}/{made['metadata']['name']}/"
    own = f'namespace="{space}"'
    spec = made["spec"]
    rules = [
        {
            "source_matchers": [*map(_matcher, rule["sourceMatch"]), own],
            "target_matchers": [*map(_matcher, rule["targetMatch"]), own],
            "equal": rule["equal"],
        }
        for rule in spec.get("inhibitRules", [])
    ]
    top = _route(spec["route"], prefix)
    top["matchers"].append(own)
    top["continue"] = True
    return {
        "global": {"smtp_smarthost": "mail:25", "smtp_from": "am@example.org"},
        "route": {"receiver": default, "routes": [top]},
        "receivers": [{"name": default}, *(_receiver(entry, prefix) for entry in spec["receivers"])],
        "inhibit_rules": rules,
    }


def _matcher(entry: dict[str, Any]) -> str:
    return f'{entry["name"]}{entry["matchType"]}"{entry["value"]}"'


def _route(entry: dict[str, Any], prefix: str) -> dict[str, Any]:
    kept = {_snake(key): value for key, value in entry.items() if key not in ("receiver", "matchers", "routes")}
    return {
        **kept,
        "receiver": prefix + entry["receiver"],
        "matchers": [_matcher(one) for one in entry.get("matchers", [])],
        "routes": [_route(child, prefix) for child in entry.get("routes", [])],
    }


def _receiver(entry: dict[str, Any], prefix: str) -> dict[str, Any]:
    ways = {_snake(key): [dict(_setting(*item) for item in one.items()) for one in value] for key, value in entry.items() if key != "name"}
    return {"name": prefix + entry["name"], **ways}


def _setting(name: str, value: Any) -> tuple[str, Any]:
    return (NAMES[name], STAND_IN) if name in NAMES else (_snake(name), value)


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
