"""The workflows of GitHub Actions, run whole: events start them, their jobs speak to a stand-in of GitHub, and git is the real one."""

import re
import shutil
from pathlib import Path

import pytest

from mlspec.__main__ import main
from targets.github_expressions import Free, evaluate
from targets.github_host import BOT, Host, Token, git
from targets.github_runner import Event, Run, load, starts

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"
CHECKS, COMMIT, PROMOTION, APPROVALS, ROLLOUT = (f"mlspec{more}.yml" for more in ("", "-commit", "-promotion", "-approvals", "-rollout"))
MARKER = "<!-- mlspec plan -->"
SPEC = """\
apiVersion: mlspec.dev/v1
name: iris
owner: {team: ml}
platform: {ci: [github], repository: {url: "https://github.com/acme/ml.git"}}
environments:
  dev: {namespace: iris-dev}
  prod: {namespace: iris, after: dev, approvals: 2}
models: {iris: {framework: sklearn, version: 1.0.0, uri: "s3://m/iris/${models.iris.version}"}}
serving: {iris: {model: iris, replicas: 2}}
thresholds: {release: {on: evaluation, rules: [{metric: auc, min: 0.8}]}}
"""
CANARY = """\
apiVersion: mlspec.dev/v1
name: iris
owner: {team: ml}
platform: {ci: [github], repository: {url: "https://github.com/acme/ml.git"}}
environments: {prod: {namespace: iris}}
models: {iris: {framework: sklearn, version: 1.0.0, uri: "s3://m/iris/${models.iris.version}"}}
serving:
  iris:
    model: iris
    replicas: 2
    expose: {host: iris.acme.example}
    rollout: {strategy: canary, steps: [10, 50], pause: 1m, gate: online}
thresholds: {online: {on: live, rules: [{metric: errorRate, max: 1%}]}}
"""
LOOSER = ("min: 0.8}", "min: 0.7}")
WAIVER = (
    "owner: {team: ml}",
    "owner: {team: ml}\ngovernance: {waivers: [{threshold: release, reason: a pilot, owner: ann, ticket: ML-12, until: 2999-01-31}]}",
)


class Repository:
    """The repository acme/ml with a spec in it, people who push to it, and the runs that this starts."""

    def __init__(self, folder, spec=SPEC, *, example=None):
        self.folder, self.host = folder, Host(folder / "host")
        self.person = folder / "person"
        git(folder, "clone", "--quiet", str(self.host.bare), str(self.person))
        git(self.person, "checkout", "--quiet", "-B", "main")
        if example:
            shutil.copytree(EXAMPLES / example, self.person, dirs_exist_ok=True)
        else:
            (self.person / "mlspec.yaml").write_text(spec)
            self.compile()
        self.save("first")
        self.variables, self.hidden = {}, {}

    def compile(self):
        assert main(["compile", "--quiet", str(self.person)]) == 0

    def save(self, message, branch="main"):
        git(self.person, "add", "--all")
        git(self.person, "commit", "--quiet", "--message", message)
        git(self.person, "push", "--quiet", "--force", "origin", f"HEAD:refs/heads/{branch}")
        return git(self.person, "rev-parse", "HEAD")

    def edit(self, *changes, branch="main", compiled=False, again=False):
        """Edit the spec on a branch, anew from main or from where the branch is, and push; return the commit."""
        git(self.person, "fetch", "--quiet", "origin")
        git(self.person, "checkout", "--quiet", "--detach", f"origin/{branch if again else 'main'}")
        spec = self.person / "mlspec.yaml"
        text = spec.read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        spec.write_text(text)
        if compiled:
            self.compile()
        return self.save("; ".join(new.strip() for _, new in changes), branch)

    def run(self, event, file=None, *, on=None):
        """Start what an event starts: all of it, or one workflow; a workflow is read from the commit that it runs on."""
        flows = {name: flow for name, flow in load(self.host, on or event.sha).items() if starts(flow["on"], event)}
        if file is not None:
            return Run(self.host, self.folder, flows[file], event, variables=self.variables, hidden=self.hidden)
        return {
            name: Run(self.host, self.folder, flow, event, variables=self.variables, hidden=self.hidden) for name, flow in flows.items()
        }

    def pull_request(self, head, *, branch="change", action="opened", name="pull_request", author="ann", fork=False):
        """Return the event of a pull request at a commit."""
        base = self.host.tip()
        merged = self.host.merged(12, head)
        pull = {
            "number": 12,
            "title": "a$(touch /tmp/hit) `id` ${{ github.token }}",
            "user": {"login": author},
            "base": {"ref": "main", "sha": base, "repo": {"full_name": "acme/ml"}},
            "head": {"ref": branch, "sha": head, "repo": {"full_name": "mallory/ml" if fork else "acme/ml"}},
        }
        return Event(name, "refs/pull/12/merge", merged, {"action": action, "number": 12, "pull_request": pull}, fork=fork)

    def pushed(self, branch="main", before=None):
        """Return the event of a push to a branch."""
        tip = self.host.tip(branch)
        files = git(self.host.bare, "diff", "--name-only", before or f"{tip}^1", tip).splitlines()
        return Event("push", f"refs/heads/{branch}", tip, {"ref": f"refs/heads/{branch}", "after": tip}, files=tuple(files))

    def dispatched(self, branch="main", **inputs):
        """Return the event of a promotion by hand."""
        given = {"from": "dev", "to": "prod", "only": "", "spec": "mlspec.yaml", **inputs}
        return Event("workflow_dispatch", f"refs/heads/{branch}", self.host.tip(branch), {"inputs": given}, inputs=given)

    def is_current(self, branch="main"):
        folder = self.folder / f"judge-{self.host.tip(branch)}"
        git(self.folder, "clone", "--quiet", f"--branch={branch}", str(self.host.bare), str(folder))
        return main(["check", "--quiet", str(folder)]) == 0

    def show(self, path, branch="main"):
        return git(self.host.bare, "show", f"refs/heads/{branch}:{path}")

    def writes(self):
        """Return the requests that changed something, by job, and forget all."""
        made = [(one.job, one.method) for one in self.host.asked if one.method in ("POST", "PATCH", "push")]
        assert all(one.status < 300 or one.job in self.refused for one in self.host.asked), self.host.asked
        self.host.asked.clear()
        return sorted(made)

    refused = ()
    """The jobs whose requests may be refused."""


@pytest.fixture
def repository(tmp_path):
    made = Repository(tmp_path)
    yield made
    made.host.close()


@pytest.fixture
def canary(tmp_path):
    made = Repository(tmp_path, CANARY)
    made.edit(("version: 1.0.0", "version: 1.1.0"), compiled=True)
    made.variables = {"MLSPEC_PROMETHEUS_URL": f"{made.host.url}/prometheus"}
    made.hidden = {"mlspec-rollout": {"MLSPEC_PROMETHEUS_TOKEN": "for-prometheus"}}
    yield made
    made.host.close()


def well(run):
    """Say that every job of a run went well."""
    assert set(run.results.values()) == {"success"}, run.said


def unused(repository, *files):
    """Return the rights that jobs have and that no request of theirs needed."""
    flows = load(repository.host, repository.host.tip())
    jobs = {name: job for file in files for name, job in flows[file]["jobs"].items()}
    return {(name, right, level) for name, job in jobs.items() for right, level in job["permissions"].items()} - repository.host.used


# From a pull request to prod


@pytest.mark.slow
def test_a_change_goes_its_way(repository):
    """Opened, pushed again, reviewed, merged, compiled by the bot, promoted with approval; each event starts what it is to start."""
    host = repository.host
    head = repository.edit(("replicas: 2", "replicas: 3"), branch="change")
    started = repository.run(repository.pull_request(head))
    assert set(started) == {CHECKS, APPROVALS}
    assert started[CHECKS].results == {
        "validate": "success",
        "tree": "failure",
        "ratchet": "success",
        "plan": "success",
        "comment": "success",
    }
    assert "::error file=deploy/iris/prod/serving-iris.yaml" in started[CHECKS].jobs["tree"].said
    assert repository.writes() == [("comment", "POST"), ("say", "POST")]
    (comment,) = host.comments
    assert comment["body"].startswith(f"{MARKER}\n")
    assert "replicas" in comment["body"]
    assert comment["body"].rstrip().endswith(f"This is what {head} does, merged into {host.tip()}.")
    assert comment["body"].strip() == started[CHECKS].jobs["plan"].summary.strip()
    assert host.statuses == [(head, "mlspec/approvals", "pending")]
    assert "iris/prod: 0 of 2 approvals, too few" in started[APPROVALS].jobs["count"].summary

    host.say(12, f"{MARKER}\nmine", "mallory")
    head = repository.edit(("replicas: 3", "replicas: 4"), branch="change", compiled=True, again=True)
    again = repository.run(repository.pull_request(head, action="synchronize"), CHECKS)
    well(again)
    assert repository.writes() == [("comment", "PATCH")]
    assert len(host.comments) == 2
    assert "4" in host.comments[0]["body"]
    assert host.comments[0]["body"] != host.comments[1]["body"] == f"{MARKER}\nmine"

    for who in ("bob", "eve"):
        host.review(who, "APPROVED", head)
    reviewed = repository.run(repository.pull_request(head, action="submitted", name="pull_request_review"))
    assert set(reviewed) == {APPROVALS}
    well(reviewed[APPROVALS])
    assert host.statuses[-1] == (head, "mlspec/approvals", "success")

    host.merge(12)
    assert repository.run(repository.pushed()).keys() == {COMMIT}
    assert "push" not in {method for _, method in repository.writes()}, "the tree came with the pull request"
    repository.edit(("replicas: 4", "replicas: 5"), ("version: 1.0.0", "version: 1.1.0"))
    bot = repository.run(repository.pushed(), COMMIT)
    well(bot)
    assert host.log()[0] == "Compile iris"
    assert repository.writes() == [("commit", "push")]
    assert repository.is_current()

    tip = host.tip()
    (once_more,) = repository.run(repository.pushed()).values()
    well(once_more)
    assert "nothing to commit" in once_more.said
    assert host.tip() == tip
    assert repository.writes() == []
    assert unused(repository, CHECKS, APPROVALS, COMMIT) == set()


@pytest.mark.slow
def test_a_promotion_waits_for_the_reviewers_of_its_environment(repository):
    host = repository.host
    repository.edit(
        ("dev: {namespace: iris-dev}", "dev: {namespace: iris-dev, overrides: {models: {iris: {version: 1.1.0}}}}"), compiled=True
    )
    host.environments = {
        "prod": [{"type": "required_reviewers", "prevent_self_review": True, "reviewers": [{"type": "User", "reviewer": {"login": "bob"}}]}]
    }
    assert set(repository.run(repository.dispatched())) == {PROMOTION}, "and no check of a pull request, which would be skipped"
    run = repository.run(repository.dispatched(), PROMOTION)
    assert run.results == {"prepare": "success", "promote": "waiting"}, run.said
    assert "waits for one of: bob" in run.jobs["prepare"].said
    assert "1.1.0" in run.jobs["prepare"].summary
    assert host.log()[0] != "Promote dev to prod"
    run.approve("prod")
    well(run)
    assert host.log()[0] == "Promote dev to prod"
    assert repository.is_current()
    assert "s3://m/iris/1.1.0" in repository.show("deploy/iris/prod/serving-iris.yaml")
    assert repository.writes() == [("promote", "push")]
    assert unused(repository, PROMOTION) == set()


@pytest.mark.conformance
def test_a_promotion_that_nobody_has_to_approve_is_none(repository):
    repository.host.environments = {"prod": [{"type": "wait_timer"}]}
    run = repository.run(repository.dispatched(), PROMOTION)
    assert run.results == {"prepare": "failure", "promote": "skipped"}
    assert "has no required reviewers" in run.said
    assert repository.writes() == []


# Pull requests


@pytest.mark.conformance
def test_a_broken_spec_is_shown_where_it_is_broken(repository):
    head = repository.edit(("replicas: 2", "replicas: -2"), branch="change")
    run = repository.run(repository.pull_request(head), CHECKS)
    assert run.results == {"validate": "failure", "tree": "failure", "ratchet": "failure", "plan": "success", "comment": "success"}
    assert re.search(r"^::error file=mlspec\.yaml,line=9,", run.jobs["validate"].said, re.MULTILINE)
    assert "does not compile" in repository.host.comments[0]["body"]
    assert repository.host.log() == ["first"]


@pytest.mark.conformance
@pytest.mark.parametrize(("more", "result"), [((), "failure"), ((WAIVER,), "success")])
def test_a_looser_gate_needs_a_waiver(repository, more, result):
    head = repository.edit(LOOSER, *more, branch="change", compiled=True)
    run = repository.run(repository.pull_request(head), CHECKS)
    assert run.results["ratchet"] == result, run.said
    assert ("MLS-E740" in run.jobs["ratchet"].said) is (result == "failure")
    assert "LOOSER" in repository.host.comments[0]["body"]


@pytest.mark.conformance
def test_a_fork_is_checked_without_any_right_to_write(repository):
    head = repository.edit(("replicas: 2", "replicas: 3"), branch="fork", compiled=True)
    git(repository.host.bare, "update-ref", "-d", "refs/heads/fork")
    runs = repository.run(repository.pull_request(head, fork=True, author="mallory"))
    assert runs[CHECKS].results == {**dict.fromkeys(("validate", "tree", "ratchet", "plan"), "success"), "comment": "skipped"}
    assert "replicas" in runs[CHECKS].jobs["plan"].summary
    assert runs[APPROVALS].results == {"count": "failure", "say": "skipped"}
    assert (repository.host.comments, repository.writes()) == ([], [])


@pytest.mark.conformance
def test_the_first_pull_request_of_a_repository_is_checked(tmp_path):
    """It brings the specs, the tree and the workflows themselves; there was nothing before."""
    repository = Repository(tmp_path)
    first = git(repository.person, "rev-parse", "HEAD")
    tree = git(repository.person, "hash-object", "-w", "-t", "tree", "/dev/null")
    empty = git(repository.person, "commit-tree", tree, "-m", "empty")
    head = git(repository.person, "commit-tree", f"{first}^{{tree}}", "-p", empty, "-m", "specs")
    git(repository.person, "push", "--quiet", "--force", "origin", f"{empty}:refs/heads/main", f"{head}:refs/heads/change")
    for run in repository.run(repository.pull_request(head)).values():
        well(run)
    assert repository.host.statuses == [(head, "mlspec/approvals", "pending")]
    assert "InferenceService iris" in repository.host.comments[0]["body"]
    repository.host.close()


@pytest.mark.conformance
def test_the_workflows_of_the_largest_example_run_as_they_are_committed(tmp_path):
    repository = Repository(tmp_path, example="parcel-eta")
    head = repository.edit(("pause: 30m", "pause: 10m"), ("max: 24}", "max: 40}"), branch="change", compiled=True)
    runs = repository.run(repository.pull_request(head))
    assert runs[CHECKS].results == {**dict.fromkeys(("validate", "tree", "plan", "comment"), "success"), "ratchet": "failure"}
    assert "watched for less, 30m → 10m a step" in repository.host.comments[0]["body"]
    assert "parcel-eta/live: 0 of 2 approvals, too few" in runs[APPROVALS].jobs["count"].summary
    repository.edit(("max: 24}", "max: 40}"))
    well(repository.run(repository.pushed(), COMMIT))
    assert repository.is_current()
    repository.host.close()


@pytest.mark.conformance
def test_another_base_is_another_pull_request(repository):
    """What was checked against a branch where the gate is loose already is checked again when it is to go to main."""
    head = repository.edit(LOOSER, branch="change", compiled=True)
    run = repository.run(repository.pull_request(head, action="edited"), CHECKS)
    assert run.results["ratchet"] == "failure"


def test_no_event_but_a_pull_request_makes_the_checks_that_are_required(repository):
    """A job that is skipped passes for one that passed, so nothing else may start these workflows."""
    head = repository.edit(LOOSER, branch="change", compiled=True)
    git(repository.person, "push", "--quiet", "origin", f"{head}:refs/heads/main")
    sha = repository.host.tip("change")
    assert set(repository.run(Event("push", "refs/heads/change", sha, files=("mlspec.yaml",)))) == set()
    assert set(repository.run(Event("schedule", "refs/heads/main", sha))) == {ROLLOUT}
    flows = load(repository.host, sha)
    assert [name for name, flow in flows.items() if starts(flow["on"], repository.dispatched("change"))] == [PROMOTION]
    assert [name for name, flow in flows.items() if starts(flow["on"], repository.pushed())] == [COMMIT]


QUEUE = "refs/heads/gh-readonly-queue/main/pr-12-0123"


@pytest.mark.conformance
def test_a_merge_queue_is_checked_as_a_whole(repository):
    base = repository.host.tip()
    head = repository.edit(LOOSER, branch=QUEUE.removeprefix("refs/heads/"), compiled=True)
    group = {"base_sha": base, "head_sha": head}
    runs = repository.run(Event("merge_group", QUEUE, head, {"action": "checks_requested", "merge_group": group}))
    assert runs[CHECKS].results == {
        "validate": "success", "tree": "success", "ratchet": "failure", "plan": "skipped", "comment": "skipped"
    }  # fmt: skip
    assert runs[APPROVALS].results == {"count": "skipped", "say": "success"}
    assert repository.host.statuses == [(head, "mlspec/approvals", "success")]


HOSTILE = "a$(touch${IFS}hit);`touch${IFS}hit`"


@pytest.mark.conformance
def test_what_people_type_reaches_no_shell(repository):
    """A branch with a name such as git allows it, and a title; neither is run, nor the token printed."""
    head = repository.edit(("replicas: 2", "replicas: 3"), branch=HOSTILE, compiled=True)
    for run in repository.run(repository.pull_request(head, branch=HOSTILE)).values():
        assert "failure" not in run.results.values(), run.said
    bot = Event("push", f"refs/heads/{HOSTILE}", head, files=("mlspec.yaml",))
    flow = load(repository.host, head)[COMMIT]
    well(Run(repository.host, repository.folder, {**flow, "on": ["push"]}, bot))
    repository.host.environments = {"prod": [{"type": "required_reviewers", "reviewers": [{"reviewer": {"login": "bob"}}]}]}
    given = {"from": HOSTILE, "only": HOSTILE, "spec": HOSTILE}
    for event in (repository.dispatched(**{key: value}) for key, value in given.items()):
        assert repository.run(event, PROMOTION).results == {"prepare": "failure", "promote": "skipped"}
    assert repository.run(repository.dispatched(HOSTILE), PROMOTION).results["prepare"] == "failure"
    assert not list(repository.folder.rglob("hit"))


# The bot


@pytest.mark.conformance
def test_a_push_in_between_is_compiled_too(repository):
    """The run belongs to an older commit; what is compiled is the branch as it is."""
    repository.edit(("replicas: 2", "replicas: 3"))
    event = repository.pushed()
    repository.edit(("team: ml}", "team: science}"))
    well(repository.run(event, COMMIT))
    assert repository.host.log() == ["Compile iris", "team: science}", "replicas: 3", "first"]
    assert repository.is_current()


@pytest.mark.conformance
def test_a_push_that_is_refused_is_made_again(repository):
    """The branch moves between the fetch and the push, once."""
    repository.edit(("replicas: 2", "replicas: 3"))
    event = repository.pushed()
    other = repository.edit(("team: ml}", "team: science}"), branch="other", again=False)
    hook = repository.host.bare / "hooks" / "pre-receive"
    hook.write_text(f"#!/bin/sh\n[ -e moved ] && exit 0\n: > moved\nunset GIT_QUARANTINE_PATH\ngit update-ref refs/heads/main {other}\n")
    hook.chmod(0o755)
    well(repository.run(event, COMMIT))
    assert repository.host.log() == ["Compile iris", "team: science}", "replicas: 3", "first"]
    assert repository.is_current()
    assert repository.writes() == [("commit", "push"), ("commit", "push")]


def protect(repository):
    """Let main take pushes of nobody but a machine's account, whose token an environment holds."""
    hook = repository.host.bare / "hooks" / "pre-receive"
    refused = '[ "$ref" != refs/heads/main ] || [ "$REMOTE_USER" = machine ] || { echo "GH013: rule violations" >&2; exit 1; }'
    hook.write_text(f"#!/bin/sh\nwhile read -r old new ref; do {refused}; done\n")
    hook.chmod(0o755)
    repository.host.tokens["of-the-machine"] = Token("machine", {"contents": "write"})
    repository.host.environments |= {"mlspec-push": []}


@pytest.mark.conformance
def test_a_protected_branch_is_proposed_to_or_pushed_to_by_who_may(repository):
    repository.edit(("replicas: 2", "replicas: 3"))
    protect(repository)
    run = repository.run(repository.pushed(), COMMIT)
    well(run)
    assert "::warning title=mlspec::main takes no push" in run.said
    assert "::error" not in run.said, "the job went well"
    assert "rule violations" in run.said
    assert "/compare/main...mlspec/main?expand=1" in run.jobs["commit"].summary
    assert repository.host.log("mlspec/main")[0] == "Compile iris"
    assert repository.is_current("mlspec/main")
    tip = repository.host.tip()
    repository.hidden = {"mlspec-push": {"MLSPEC_PUSH_TOKEN": "of-the-machine"}}
    well(repository.run(repository.pushed(), COMMIT))
    assert repository.host.tip() == tip, "without the variable the job does not name the environment"
    repository.variables = {"MLSPEC_PUSH_ENVIRONMENT": "mlspec-push"}
    well(repository.run(repository.pushed(), COMMIT))
    assert repository.host.log()[:2] == ["Compile iris", "replicas: 3"]
    assert repository.is_current()


@pytest.mark.conformance
def test_a_canary_of_a_protected_branch_moves_by_the_token_of_its_environment(canary):
    protect(canary)
    canary.host.measured = "0.5"
    assert canary.run(clock(canary), ROLLOUT).results == {"look": "success", "rollout": "failure"}
    assert canary.host.log()[0] != "Abort the rollout of 1.1.0"
    canary.hidden["mlspec-rollout"]["MLSPEC_PUSH_TOKEN"] = "of-the-machine"
    run = canary.run(clock(canary), ROLLOUT)
    assert canary.host.log()[0].startswith("Abort the rollout of 1.1.0"), run.said


# Approvals


@pytest.mark.conformance
@pytest.mark.parametrize(
    ("reviews", "state", "words"),
    [
        ([("bob", "APPROVED"), ("eve", "APPROVED")], "success", "2 of 2"),
        ([("bob", "APPROVED")], "pending", "1 of 2"),
        ([("ann", "APPROVED"), ("bob", "APPROVED")], "pending", "ann is the author"),
        ([("bob", "APPROVED"), ("eve", "OLD")], "pending", "not counted: eve approved"),
        ([("bob", "APPROVED"), ("eve", "APPROVED"), ("eve", "DISMISSED")], "pending", "1 of 2"),
        ([("bob", "APPROVED"), ("eve", "APPROVED"), ("eve", "COMMENTED")], "success", "2 of 2"),
        ([("bob", "APPROVED"), ("Bob", "APPROVED")], "pending", "1 of 2"),
        ([("bob", "APPROVED"), ("eve", "APPROVED"), ("kim", "CHANGES_REQUESTED")], "pending", "kim asks for changes"),
        ([*[(f"p{number}", "COMMENTED") for number in range(120)], ("bob", "APPROVED"), ("eve", "APPROVED")], "success", "2 of 2"),
    ],
)
def test_reviews_are_counted(repository, reviews, state, words):
    head = repository.edit(("replicas: 2", "replicas: 3"), branch="change", compiled=True)
    for who, what in reviews:
        repository.host.review(who, "APPROVED" if what == "OLD" else what, "0" * 40 if what == "OLD" else head)
    run = repository.run(repository.pull_request(head, action="submitted", name="pull_request_review"), APPROVALS)
    well(run)
    assert repository.host.statuses == [(head, "mlspec/approvals", state)]
    assert words in run.jobs["count"].summary


@pytest.mark.conformance
def test_an_environment_that_asks_for_nothing_waits_for_nobody(repository):
    head = repository.edit(
        ("dev: {namespace: iris-dev}", "dev: {namespace: iris-dev, overrides: {serving: {iris: {replicas: 1}}}}"), branch="change"
    )
    run = repository.run(repository.pull_request(head), APPROVALS)
    well(run)
    assert repository.host.statuses[-1][2] == "success"


# Rollouts


def clock(repository):
    """Return the event of the clock."""
    return Event("schedule", "refs/heads/main", repository.host.tip())


def long_ago(repository):
    """Let the branch have come to its step long ago."""
    tip = repository.host.tip()
    tree, parents = (git(repository.host.bare, "log", "-1", f"--format={what}", tip) for what in ("%T", "%P"))
    line = [part for parent in parents.split() for part in ("-p", parent)]
    message = git(repository.host.bare, "log", "-1", "--format=%B", tip)
    made = git(repository.host.bare, "commit-tree", tree, *line, "-m", message, GIT_COMMITTER_DATE="1770000000 +0000")
    git(repository.host.bare, "update-ref", "refs/heads/main", made)


@pytest.mark.conformance
def test_a_canary_goes_to_its_end(canary):
    canary.host.measured = "0.001"
    for said in ("Advance the rollout of 1.1.0", "Finish the rollout of 1.1.0"):
        long_ago(canary)
        run = canary.run(clock(canary), ROLLOUT)
        well(run)
        assert canary.host.log()[0].startswith(said)
        assert said in run.jobs["rollout"].summary
        assert canary.writes() == [("rollout", "push")]
    assert canary.host.prometheus_tokens == {"for-prometheus"}
    run = canary.run(clock(canary), ROLLOUT)
    assert run.results == {"look": "success", "rollout": "skipped"}
    assert canary.is_current()
    assert unused(canary, ROLLOUT) == set()


@pytest.mark.conformance
def test_a_canary_that_breaks_its_gate_is_taken_back(canary):
    canary.host.measured = "0.5"
    run = canary.run(clock(canary), ROLLOUT)
    assert run.results == {"look": "success", "rollout": "failure"}
    assert canary.host.log()[0].startswith("Abort the rollout of 1.1.0")
    assert canary.is_current()
    assert "s3://m/iris/1.0.0" in canary.show("deploy/iris/prod/serving-iris.yaml")


@pytest.mark.conformance
def test_a_canary_that_nobody_measures_stays_where_it_is(canary):
    canary.host.measured = None
    long_ago(canary)
    tip = canary.host.tip()
    run = canary.run(clock(canary), ROLLOUT)
    assert run.results == {"look": "success", "rollout": "failure"}
    assert "left alone, online is not decided (errorRate <= 0.01, found -: Prometheus answered 503)" in run.jobs["rollout"].summary
    assert canary.host.tip() == tip
    canary.variables = {}
    assert canary.run(clock(canary), ROLLOUT).results == {"look": "skipped", "rollout": "skipped"}


# The stand-ins


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a.b == 'X'", True),
        ("a.gone.further == 'x'", False),
        ("a.gone != ''", False),
        ("a.gone || 'else'", "else"),
        ("!(a.b == 'y') && 'yes' || 'no'", "yes"),
    ],
)
def test_expressions_mean_what_they_mean_on_github(text, value):
    assert evaluate(text, {"a": Free(b="x")}, {}) == value


@pytest.mark.parametrize("text", ["a.gone", "b.c", "hashFiles('x')", "a.b ==", "a[0]"])
def test_what_is_not_known_is_an_error(text):
    with pytest.raises((ValueError, KeyError)):
        evaluate(text, {"a": {"b": "x"}}, {})


def test_rights_that_are_not_given_are_refused(repository):
    """Were the job to ask for less, its request would fail: the stand-in looks at the rights of the token."""
    head = repository.edit(("replicas: 2", "replicas: 3"), branch="change", compiled=True)
    event = repository.pull_request(head)
    flow = load(repository.host, event.sha)[CHECKS]
    flow["jobs"] = {name: flow["jobs"][name] for name in ("plan", "comment")}
    flow["jobs"]["comment"]["permissions"] = {"pull-requests": "read"}
    run = Run(repository.host, repository.folder, flow, event)
    assert run.results == {"plan": "success", "comment": "failure"}
    assert "HTTP Error 403" in run.said
    assert BOT not in str(repository.host.comments)
