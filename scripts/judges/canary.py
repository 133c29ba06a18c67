"""Canaries that go from commit to commit, each of which a real Argo CD syncs: to the end, back, and what people do in the middle."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import yaml

from judges.bench import Case, Done, Loader, Skipped, Verdict, run
from judges.cluster import Servers
from judges.stand_ins import AWAY, BROKEN, HEALTHY, SILENT, Found, know_domains, prometheus, ready, settle

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
JUDGE = "Argo CD, canaries"
PATIENCE = 120
"""For how many seconds Argo CD may take over one commit."""
PAUSE = 10
"""How many minutes a canary stays at a step."""
WHO = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in (("NAME", "walk"), ("EMAIL", "walk@localhost"))}
SPEC = """\
apiVersion: mlspec.dev/v1
name: {name}
owner: {{team: growth}}
platform: {{ci: [github], repository: {{url: "https://git.example/acme/ml.git"}}, serving: {{kserve: {{mode: {mode}}}}}}}
environments:
  prod: {{namespace: {name}}}
models: {{churn: {{framework: sklearn, version: "1.0.0", uri: "s3://acme/churn/${{models.churn.version}}"}}}}
thresholds:
  online: {{on: live, rules: [{{metric: errorRate, max: 1%, minSamples: 100}}, {{metric: latency, quantile: 0.95, max: 200ms}}]}}
serving:
  api:
    model: churn
    rollout: {{{rollout}, pause: {pause}m, gate: online}}
    expose: {{host: {name}.acme.example}}
"""
CANARY, BLUE_GREEN = "strategy: canary, steps: [10, 25, 50]", "strategy: blueGreen"
NOTHING = "no rollout is under way"
Objects = dict[str, dict[str, Any]]


class Holds(NamedTuple):
    """What the cluster holds of an endpoint."""

    versions: dict[str, str]
    """Which version each InferenceService runs."""
    shares: dict[str, int | None]
    """The percentage of the traffic that each gets; with Knative the one that the newest revision gets."""


class Event(NamedTuple):
    """A change that the API server told of."""

    count: int
    """Its number among all changes."""
    what: str
    """``ADDED``, ``MODIFIED`` or ``DELETED``."""
    object: dict[str, Any]


class WalkError(Exception):
    """A command did not end as it should, or Argo CD did not come to an end."""


class Walk:
    """A repository with its remote, the cluster that Argo CD deploys it to, and what was found wrong on the way."""

    def __init__(self, name: str, folder: pathlib.Path, surroundings: dict[str, str], *, rollout: str, mode: str) -> None:
        self.name, self.synced = name, 0
        self._home, self._remote, self._surroundings = folder / name, folder / f"{name}.git", surroundings
        self._tracks = folder / f"{name}-{{}}.json"
        self.failing: set[str] = set()
        """InferenceServices whose model cannot be loaded."""
        self._watching: list[subprocess.Popen[str]] = []
        self._has: set[tuple[str, str, str]] = set()
        self.knative = mode == "knative"
        self.percents = [0] if rollout == BLUE_GREEN else [10, 25, 50]
        self.problems: list[str] = []
        self._run("git", "init", "-q", "--bare", "-b", "main", str(self._remote), where=folder)
        self._run("git", "clone", "-q", str(self._remote), str(self._home), where=folder)
        (self._home / "mlspec.yaml").write_text(SPEC.format(name=name, rollout=rollout, mode=mode, pause=PAUSE), encoding="utf-8")

    # the repository

    def _run(self, *command: str, where: pathlib.Path | None = None) -> Done:
        surroundings = {**self._surroundings, **WHO, "PYTHONPATH": str(ROOT / "src"), "GIT_CONFIG_GLOBAL": os.devnull}
        return run(list(command), surroundings, where or self._home)

    def git(self, *words: str) -> str:
        """Run git in the clone of a person; return what it printed. Raises WalkError when it fails."""
        done = self._run("git", *words)
        if done.returncode:
            raise WalkError(f"git {words[0]} failed: {done.stderr.strip()[-300:]}")
        return done.stdout.strip()

    def mlspec(self, *words: str, exits: int = 0) -> str:
        """Run mlspec in the clone of a person; return what it said. Raises WalkError when it exits otherwise."""
        done = self._run(sys.executable, "-m", "mlspec", *words)
        if done.returncode != exits:
            raise WalkError(
                f"mlspec {' '.join(words[:3])} exits {done.returncode}, expected {exits}: {(done.stderr or done.stdout)[-500:]}"
            )
        return done.stdout + done.stderr

    def edit(self, *words: str) -> None:
        """Let a person edit the spec, commit and push it."""
        if words:
            self.git("pull", "-q", "--rebase")
            self.mlspec(*words)
        self.git("add", "mlspec.yaml")
        self.git("commit", "-q", "-m", " ".join(words[:3]) or "a spec")
        self.git("push", "-q", "origin", "HEAD:main")

    def tip(self) -> str:
        """Return the commit that the remote has."""
        return self._run("git", "rev-parse", "main", where=self._remote).stdout.strip()

    def tree(self) -> dict[str, str]:
        """Return what a cluster gets of the branch on the remote: digests by path."""
        said = self._run("git", "ls-tree", "-r", "main", "deploy", where=self._remote).stdout
        return {path: words.split()[2] for words, _, path in (line.partition("\t") for line in said.splitlines())}

    def state(self) -> str:
        """Return what `mlspec rollout status` says of the branch on the remote: state, live, new, step."""
        self.git("pull", "-q", "--rebase")
        one = json.loads(self.mlspec("rollout", "status", "--format", "json"))["rollouts"][0]
        live, new = one["live"]["version"], one["new"]["version"]
        return f"{one['state']} {live}" + (f" {new}" if live != new else "") + (f" step {one['step']}" if "step" in one else "")

    def drive(self, found: Found, says: str, *, minutes: int = PAUSE + 1, exits: int = 0) -> None:
        """Let the bot look at the rollout, so many minutes after its step, against a Prometheus that finds this; hold what it says."""
        now = (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()
        with prometheus(found) as (url, asked):
            said = self.mlspec("rollout", "drive", "--push", "--prometheus", url, "--now", now, exits=exits)
        if says not in said:
            self.problems.append(f"rollout drive: expected {says!r} in {said.strip()[-300:]!r}")
        if bool(asked) == (says == NOTHING):
            self.problems.append(f"rollout drive asked Prometheus {len(asked)} times where it said {said.strip()[-100:]!r}")
        if any(("-[0-9]{5}" if self.knative else '"api-canary-') not in query for query in asked):
            self.problems.append("the gate was asked of another version than the canary")

    def stays(self, found: Found, says: str, *, minutes: int = PAUSE + 1, exits: int = 0) -> None:
        """Let the bot look at the rollout, and hold that it left it alone."""
        before = self.tip()
        self.drive(found, says, minutes=minutes, exits=exits)
        self.hold(f"after {says!r} the branch", self.tip(), before)

    # the cluster

    def kubectl(self, *words: str, text: str | None = None) -> str:
        """Run kubectl; return what it printed. Raises WalkError when it fails."""
        command = [str(pathlib.Path(self._surroundings["KUBEBUILDER_ASSETS"], "kubectl")), *words]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, env=self._surroundings)
        if done.returncode:
            raise WalkError(f"kubectl {' '.join(words[:4])}: {done.stderr.strip()[:300]}")
        return done.stdout

    def deploy(self) -> None:
        """Show the Application of the tree to Argo CD, its repository and cluster those that are here."""
        self.git("pull", "-q", "--rebase")
        made = list(yaml.load_all((self._home / "deploy" / "argocd" / f"{self.name}.yaml").read_text(encoding="utf-8"), Loader))
        for one in made:
            one["metadata"].pop("finalizers", None)
            if one["kind"] == "AppProject":
                one["spec"]["sourceRepos"] = [self._remote.as_uri()]
            else:
                one["spec"]["source"] |= {"repoURL": self._remote.as_uri(), "targetRevision": "main"}
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", text=yaml.safe_dump_all(made))

    def sync(self) -> list[str]:
        """Wait until Argo CD has synced the commit that the remote has; return what is gone. Raises WalkError when it does not."""
        tip = self.tip()

        def done(status: dict[str, Any], *, busy: bool) -> bool:
            synced = status.get("sync", {})
            ended = not busy and status.get("operationState", {}).get("phase") in (None, "Succeeded")
            return ended and synced.get("status") == "Synced" and synced.get("revision") == tip

        status = self._wait(done)
        self.synced += 1
        self.problems += [f"{one['type']}: {one['message'][:300]}" for one in status.get("conditions", [])]
        had, self._has = self._has, {(named(one), one["kind"], one["name"]) for one in status["resources"]}
        gone = sorted(had - self._has)
        for kind, _, name in gone:
            if self.kubectl("-n", self.name, "get", kind, name, "--ignore-not-found"):
                self.problems.append(f"{kind} {name} is still there, though Argo CD no longer knows of it")
        return [f"{kind}/{name}" for _, kind, name in gone]

    def fails(self, what: str, new: str) -> None:
        """Wait until Argo CD has tried to sync the commit that the remote has, and given up; hold that the new version has no traffic."""
        message = self._wait(lambda status, busy: status.get("operationState", {}).get("retryCount", 0) > 0)["operationState"]["message"]
        self._has |= {(named(one), one["kind"], one["name"]) for one in json.loads(self._application())["status"]["resources"]}
        if "etry" not in message:
            self.problems.append(f"{what}: Argo CD says {message}")
        self.hold(f"{what}: the cluster", self.holds(), Holds({"api": "1.0.0", "api-canary": new}, {"api": 100}))

    def _application(self) -> str:
        return self.kubectl("-n", "argocd", "get", "application", f"{self.name}-prod", "-o", "json")

    def _wait(self, done: Callable[..., bool]) -> dict[str, Any]:
        """Wait until something can be said of the Application, and return its status. Raises WalkError when that takes too long."""
        end = time.monotonic() + PATIENCE
        self.kubectl("-n", "argocd", "annotate", "--overwrite", "application", f"{self.name}-prod", "argocd.argoproj.io/refresh=normal")
        while True:
            settle(self._surroundings, ["-n", self.name], self.failing)
            whole = json.loads(self._application())
            status: dict[str, Any] = whole.get("status", {})
            busy = "argocd.argoproj.io/refresh" in whole["metadata"].get("annotations", {}) or "operation" in whole
            if done(status, busy=busy):
                return status
            if time.monotonic() > end:
                made = status.get("operationState", {})
                raise WalkError(f"Argo CD: {status.get('sync', {}).get('status')}, {made.get('phase')}: {made.get('message')}")
            time.sleep(0.5)

    def read(self, kind: str) -> Objects:
        """Return the objects of a kind, by name."""
        return {one["metadata"]["name"]: one for one in json.loads(self.kubectl("-n", self.name, "get", kind, "-o", "json"))["items"]}

    def holds(self) -> Holds:
        """Return what the cluster holds of the endpoint."""
        services = self.read("inferenceservices")
        versions = {name: one["spec"]["predictor"]["model"]["storageUri"].rpartition("/")[2] for name, one in services.items()}
        if self.knative:
            return Holds(versions, {name: one["spec"]["predictor"].get("canaryTrafficPercent") for name, one in services.items()})
        rules = self.read("httproutes")["api-traffic"]["spec"]["rules"]
        return Holds(versions, {one["name"].removesuffix("-predictor"): one["weight"] for one in rules[-1]["backendRefs"]})

    def live(self) -> Objects:
        """Return what Argo CD deployed, as it is in the cluster, less what the server counts and what the stand-ins say."""
        listed = json.loads(self._application())["status"]["resources"]
        made: Objects = {}
        for entry in listed:
            one = json.loads(self.kubectl("-n", entry.get("namespace", ""), "get", named(entry), entry["name"], "-o", "json"))
            counted = ("resourceVersion", "generation", "managedFields")
            metadata = {key: value for key, value in one["metadata"].items() if key not in counted}
            made[f"{entry['kind']}/{entry['name']}"] = {**one, "metadata": metadata, "status": None}
        return made

    def watch(self) -> None:
        """Keep every change of routes and InferenceServices, so that their order can be told."""
        for kind in ("inferenceservices", "httproutes"):
            command = [str(pathlib.Path(self._surroundings["KUBEBUILDER_ASSETS"], "kubectl")), "-n", self.name, "get", kind]
            with pathlib.Path(str(self._tracks).format(kind)).open("w", encoding="utf-8") as file:
                words = [*command, "--watch", "--output-watch-events", "-o", "json"]
                self._watching.append(subprocess.Popen(words, stdout=file, stderr=subprocess.DEVNULL, text=True, env=self._surroundings))

    def stop(self) -> None:
        """Stop watching, and take the Application away."""
        for one in self._watching:
            one.terminate()
            one.wait()
        with contextlib.suppress(WalkError):
            self.kubectl("-n", "argocd", "delete", "application", f"{self.name}-prod", "--ignore-not-found", "--wait=false")

    def events(self, kind: str) -> Iterator[Event]:
        """Yield what was seen of a kind."""
        text, decoder, at = pathlib.Path(str(self._tracks).format(kind)).read_text(encoding="utf-8"), json.JSONDecoder(), 0
        while (at := len(text) - len(text[at:].lstrip())) < len(text):
            with contextlib.suppress(ValueError):  # the last one may be half written
                seen, at = decoder.raw_decode(text, at)
                yield Event(int(seen["object"]["metadata"]["resourceVersion"]), seen["type"], seen["object"])
                continue
            return

    # what is held

    def hold(self, what: str, found: object, expected: object) -> None:
        """Keep a problem unless something is as it should be."""
        if found != expected:
            self.problems.append(f"{what}: found {found}, expected {expected}")

    def at(self, what: str, state: str, holds: Holds, pruned: list[str] | None = None) -> None:
        """Sync what the remote has, and hold what git says and what the cluster holds."""
        self.hold(f"{what}: pruned", self.sync(), pruned or [])
        self.hold(f"{what}: status", self.state(), state)
        self.hold(f"{what}: the cluster", self.holds(), holds)
        for name, one in self.live().items():
            if one["metadata"].get("deletionTimestamp"):
                self.problems.append(f"{what}: {name} is going, though the tree has it")

    def alone(self, version: str) -> Holds:
        """Return what the cluster holds when one version serves."""
        return Holds({"api": version}, {"api": None if self.knative else 100})

    def beside(self, old: str, new: str, percent: int) -> Holds:
        """Return what the cluster holds when a new version stands beside the old one. With Knative that is a revision, and no object."""
        if self.knative:
            return Holds({"api": new}, {"api": percent})
        return Holds({"api": old, "api-canary": new}, {"api": 100 - percent, "api-canary": percent})

    def gone(self) -> list[str]:
        """Return what Argo CD prunes when the new version no longer stands beside the old one."""
        if self.knative:
            return []
        return [*(["HTTPRoute/api-preview"] if self.percents == [0] else []), "InferenceService/api-canary"]

    def begin(self) -> None:
        """Make the first commit and let Argo CD sync it."""
        self.edit()
        self.mlspec("commit", "--push")
        self.deploy()
        self.at("first commit", "settled 1.0.0", self.alone("1.0.0"))
        self.watch()

    def release(self, version: str) -> None:
        """Let a person name another version and a bot compile it: two commits, of which the first changes nothing in the cluster."""
        before = self.tree()
        self.edit("set", "models.churn.version", version)
        self.hold(f"the tree after the edit to {version}", self.tree(), before)
        self.mlspec("commit", "--push")

    def under_way(self, what: str, new: str, step: int) -> None:
        """Hold that a new version stands beside 1.0.0 and is at a step, counted from 1."""
        self.at(what, f"under way 1.0.0 {new} step {step}", self.beside("1.0.0", new, self.percents[step - 1]))

    def hold_order(self) -> None:
        """Hold that no version had traffic before it was ready, or when it was going."""
        self.problems += disorder(list(self.events("httproutes")), list(self.events("inferenceservices")))


def to_the_end(walk: Walk) -> None:
    """From the first commit to the finish: driven by a bot whose gate passes, with one step by hand, and the finish undone once."""
    walk.begin()
    before = walk.live()
    walk.release("1.1.0")
    walk.under_way("begun", "1.1.0", 1)
    walk.stays(AWAY, "is not decided", exits=3)
    walk.stays(SILENT, "left alone for", minutes=1)
    walk.stays(HEALTHY, "left alone for", minutes=PAUSE - 1)
    if len(walk.percents) > 1:
        walk.drive(HEALTHY, "Advance the rollout of 1.1.0")
        walk.under_way("driven", "1.1.0", 2)
        advance = ("rollout", "advance", "api", "--env", "prod", "--push", "--at")
        walk.mlspec(*advance, "1", exits=4)
        walk.mlspec(*advance, "2")
        walk.under_way("by hand", "1.1.0", 3)
    walk.drive(HEALTHY, "Finish the rollout of 1.1.0")
    walk.at("finished", "settled 1.1.0", walk.alone("1.1.0"), walk.gone())
    walk.stays(HEALTHY, NOTHING)
    walk.hold("who serves in the end", identity(walk.live(), "InferenceService/api"), identity(before, "InferenceService/api"))
    walk.git("revert", "--no-edit", "HEAD")
    walk.git("push", "-q", "origin", "HEAD:main")
    walk.under_way("the finish reverted", "1.1.0", len(walk.percents))
    walk.mlspec("rollout", "finish", "api", "--env", "prod", "--push")
    walk.at("finished again", "settled 1.1.0", walk.alone("1.1.0"), walk.gone())


def and_back(walk: Walk) -> None:
    """From the first commit to an abort: the cluster is what it was, and what was aborted stays away until it is started."""
    walk.begin()
    before, tree = walk.live(), walk.tree()
    walk.release("1.1.0")
    walk.under_way("begun", "1.1.0", 1)
    if len(walk.percents) > 1:
        walk.drive(HEALTHY, "Advance")
        walk.under_way("driven", "1.1.0", 2)
    walk.drive(BROKEN, "Abort the rollout of 1.1.0", minutes=1, exits=1)
    aborted = "aborted 1.0.0 1.1.0"
    walk.at("aborted", aborted, walk.alone("1.0.0"), walk.gone())
    walk.hold("what changed in the cluster", changed(before, walk.live()), [])
    walk.hold("what changed in the tree", changed(tree, walk.tree()), [f"deploy/{walk.name}/README.md"])
    tip = walk.tip()
    walk.mlspec("commit", "--push")
    walk.hold("the branch after another commit", walk.tip(), tip)
    walk.stays(HEALTHY, NOTHING)
    walk.edit("set", "serving.api.rollout.pause", "12m")
    walk.mlspec("commit", "--push")
    walk.at("aborted, and an edit", aborted, walk.alone("1.0.0"))
    walk.edit("set", "serving.api.rollout.pause", f"{PAUSE}m")
    walk.mlspec("commit", "--push")
    walk.mlspec("rollout", "start", "api", "--env", "prod", "--push")
    walk.under_way("started again", "1.1.0", 1)
    walk.drive(SILENT, "Abort the rollout of 1.1.0", exits=1)
    walk.at("aborted again", aborted, walk.alone("1.0.0"), walk.gone())
    walk.edit("set", "models.churn.version", "1.0.0")
    walk.mlspec("commit", "--push")
    walk.at("the old version in the spec", "settled 1.0.0", walk.alone("1.0.0"))
    walk.hold("what changed in the cluster in the end", changed(before, walk.live()), [])


def in_the_middle(walk: Walk) -> None:
    """What people do while a canary runs: roll the spec back, or name a third version."""
    walk.begin()
    before = walk.live()
    walk.release("1.1.0")
    walk.under_way("begun", "1.1.0", 1)
    walk.edit("rollback", "--env", "prod")
    walk.mlspec("commit", "--push")
    walk.at("rolled back", "settled 1.0.0", walk.alone("1.0.0"), walk.gone())
    walk.hold("what changed in the cluster", changed(before, walk.live()), [])
    walk.release("1.1.0")
    walk.under_way("begun again", "1.1.0", 1)
    walk.drive(HEALTHY, "Advance")
    walk.under_way("driven", "1.1.0", 2)
    walk.release("1.2.0")
    walk.under_way("a third version", "1.2.0", 1)
    walk.mlspec("rollout", "finish", "api", "--env", "prod", "--push")
    walk.at("finished", "settled 1.2.0", walk.alone("1.2.0"), walk.gone())


def that_never_loads(walk: Walk) -> None:
    """A canary whose model cannot be loaded: its abort is synced, although the sync before it failed.

    Argo CD 3.5 tries that one again, finds the canary applied and does not wait for it any more, so it may get its share until then.
    """
    walk.begin()
    before = walk.live()
    walk.failing.add("api-canary")
    walk.release("1.1.0")
    walk.fails("begun", "1.1.0")
    walk.drive(SILENT, "Abort the rollout of 1.1.0", exits=1)
    walk.at("aborted", "aborted 1.0.0 1.1.0", walk.alone("1.0.0"), walk.gone())
    walk.hold("what changed in the cluster", changed(before, walk.live()), [])


WALKS: dict[str, tuple[Callable[[Walk], None], str, str]] = {
    "canary-to-the-end": (to_the_end, CANARY, "standard"),
    "canary-and-back": (and_back, CANARY, "standard"),
    "canary-in-the-middle": (in_the_middle, CANARY, "standard"),
    "canary-that-never-loads": (that_never_loads, CANARY, "standard"),
    "knative-to-the-end": (to_the_end, CANARY, "knative"),
    "knative-and-back": (and_back, CANARY, "knative"),
    "blue-green-to-the-end": (to_the_end, BLUE_GREEN, "standard"),
    "blue-green-and-back": (and_back, BLUE_GREEN, "standard"),
}
"""What is walked, with which strategy and in which mode of KServe."""


def canaries(cases: list[Case], servers: Servers, only: str = "") -> Iterator[Verdict | Skipped]:
    """Walk every walk whose name holds a word, on one cluster, each in a namespace of its own. The cases of others are not looked at."""
    del cases
    chosen = [name for name in WALKS if only in name]
    if not chosen:
        return
    surroundings = servers.deploying()
    if isinstance(surroundings, Skipped):
        yield surroundings._replace(judge=JUDGE)
        return
    with tempfile.TemporaryDirectory() as folder:
        know_domains(surroundings)
        for name in chosen:
            yield walked(name, pathlib.Path(folder), surroundings)
    servers.stop()


def walked(name: str, folder: pathlib.Path, surroundings: dict[str, str]) -> Verdict:
    """Walk one walk."""
    go, rollout, mode = WALKS[name]
    walk = Walk(name, folder, surroundings, rollout=rollout, mode=mode)
    began = time.monotonic()
    try:
        go(walk)
        if not walk.knative and not walk.failing:
            walk.hold_order()
    except WalkError as error:
        walk.problems.append(str(error))
    finally:
        walk.stop()
    said = f"{walk.synced} commits synced in {time.monotonic() - began:.0f} s, {len(walk.problems)} problems"
    return Verdict(name, JUDGE, said, walk.problems, not walk.problems)


def routed(route: dict[str, Any]) -> dict[str, int]:
    """Return the shares of a route by InferenceService."""
    return {one["name"].removesuffix("-predictor"): one["weight"] for one in route["spec"]["rules"][-1]["backendRefs"]}


def named(resource: dict[str, Any]) -> str:
    """Return what kubectl calls the kind of something that Argo CD lists."""
    return f"{resource['kind']}.{resource['version']}.{resource.get('group', '')}"


def disorder(routes: list[Event], services: list[Event]) -> list[str]:
    """Return what was wrong with the order in which a canary and its share of the traffic came and went."""
    shares = [(one.count, routed(one.object)) for one in routes if one.object["metadata"]["name"] == "api-traffic"]
    canary = [one for one in services if one.object["metadata"]["name"] == "api-canary"]
    first = next((count for count, share in shares if share.get("api-canary")), None)
    problems = []
    if first and not any(one.count < first and ready(one.object) for one in canary):
        problems.append("api-canary had traffic before it was ready")
    for one in canary:
        last = [share for count, share in shares if count < one.count][-1:]
        if (one.what == "DELETED" or "deletionTimestamp" in one.object["metadata"]) and last and last[0].get("api-canary"):
            return [*problems, f"api-canary was deleted while it had traffic: {last[0]}"]
    return problems


def identity(objects: Objects, name: str) -> str:
    """Return what tells an object from another of its name."""
    return str(objects[name]["metadata"]["uid"])


def changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return the names of what is not what it was."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
