"""Repositories that mean harm, or that nobody thought of: nothing of theirs runs, nothing is written, and it is said what is needed."""

from __future__ import annotations

import http.server
import os
import shutil
import socket
import subprocess
import threading

import pytest

from mlspec.__main__ import main
from mlspec.repository import clone as clones
from mlspec.repository import git as runner
from repository.build_clone import commit_all, git, make_clone, snapshot, spec

PLAIN = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "commit.gpgSign=false")


@pytest.fixture
def here(clone, monkeypatch):
    """Stand in the clone."""
    monkeypatch.chdir(clone)
    return clone


@pytest.fixture
def run(capsys):
    def run(*arguments):
        capsys.readouterr()
        status = main([*arguments])
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


@pytest.fixture
def tool(tmp_path):
    """A program that leaves a mark, and says who called it."""
    file, mark = tmp_path / "tool", tmp_path / "ran"
    file.write_text(f'#!/bin/sh\ntr "\\0" " " < /proc/$PPID/cmdline >> {mark}\necho "as $0 $*" >> {mark}\nexit 1\n')
    file.chmod(0o755)

    class Tool:
        path = str(file)

        def ran(self):
            text = mark.read_text() if mark.exists() else ""
            mark.unlink(missing_ok=True)
            return text

    return Tool()


def state(folder):
    """Return all that a person can see of a clone: files, index, branches."""
    return snapshot(folder), git(folder, *PLAIN, "ls-files", "--stage"), git(folder, "for-each-ref")


# What a repository's own configuration names

KEYS = (
    "core.fsmonitor",
    "core.sshCommand",
    "core.gitProxy",
    "core.askPass",
    "core.editor",
    "core.pager",
    "core.alternateRefsCommand",
    "alias.diff",
    "alias.rev-parse",
    "alias.ls-tree",
    "pager.log",
    "pager.rev-parse",
    "credential.helper",
    "credential.https://localhost.helper",
    "diff.external",
    "diff.evil.command",
    "diff.evil.textconv",
    "merge.evil.driver",
    "filter.evil.clean",
    "filter.evil.smudge",
    "filter.evil.process",
    "gpg.program",
    "gpg.ssh.program",
    "gpg.x509.program",
    "trailer.evil.command",
    "trailer.evil.cmd",
    "remote.origin.uploadpack",
    "remote.origin.receivepack",
    "uploadpack.packObjectsHook",
    "interactive.diffFilter",
    "sequence.editor",
)
HOOKS = (
    "pre-commit",
    "post-commit",
    "post-index-change",
    "reference-transaction",
    "pre-push",
    "post-checkout",
    "pre-auto-gc",
    "fsmonitor-watchman",
)


@pytest.fixture
def trapped(here, remote, tool):
    """A clone whose configuration, hooks and attributes name the tool wherever they can."""
    (here / ".gitattributes").write_text("* diff=evil merge=evil filter=evil\n")
    git(here, "add", "-A")
    git(here, "commit", "-q", "-m", "attributes")
    git(here, "push", "-q", "origin", "main")
    (here / ".git/info").mkdir(exist_ok=True)
    (here / ".git/info/attributes").write_text("* diff=evil merge=evil filter=evil\n")
    (here / ".git/hooks").mkdir(exist_ok=True)
    for name in HOOKS:
        (here / ".git/hooks" / name).write_text(f"#!/bin/sh\nexec {tool.path}\n")
        (here / ".git/hooks" / name).chmod(0o755)
    signing = dict.fromkeys(("commit.gpgSign", "tag.gpgSign", "push.gpgSign", "log.showSignature"), "true")
    configure(here, {**dict.fromkeys(KEYS, tool.path), **signing, "trailer.evil.key": "Evil"})
    return here


def configure(folder, settings):
    """Add settings to a clone's configuration in one write: a git for each takes longer than what is tested."""
    with (folder / ".git/config").open("a") as file:
        for key, value in settings.items():
            section, _, rest = key.partition(".")
            between, _, name = rest.rpartition(".")
            place = f'{section} "{between}"' if between else section
            file.write(f'[{place}]\n\t{name} = "{value}"\n')
    known = git(folder, "config", "--local", "--name-only", "--list").lower().splitlines()
    assert {key.lower() for key in settings} <= set(known)


COMMANDS = {
    "diff": 0,
    "diff --from HEAD~1 --to HEAD": 0,
    "check --against HEAD~1": 1,
    "commit": 0,
    "commit --push": 0,
    "commit --pr": 0,
    "set models.m.version 1.0.1 churn/mlspec.yaml": 0,
    "merge-driver install": 0,
    "merge-driver finish": 0,
    "rollout status churn/mlspec.yaml": 0,
    "rollout drive --push --prometheus http://localhost:9": 0,
    "validate": 0,
    "compile": 0,
    "doctor": 0,
}


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_runs_that_a_repository_names(trapped, tool, run, command):
    (trapped / "churn/notes.txt").write_text("not tracked\n")
    status, said = run(*command.split())
    assert (status, tool.ran()) == (COMMANDS[command], ""), said


@pytest.mark.parametrize(
    "line", [("status",), ("ls-remote", "origin"), ("add", "-A"), ("commit", "--allow-empty", "-m", "x")], ids=" ".join
)
def test_the_trap_works(trapped, tool, line):
    (trapped / "churn/notes.txt").write_text("not tracked\n")
    git(trapped, *line, check=False)
    assert tool.ran(), "git itself runs it"


@pytest.mark.parametrize(
    "address",
    [
        "ext::TOOL",
        "ext::sh -c TOOL% x",
        "ssh://git@127.0.0.1:9/x.git",
        "git://127.0.0.1:9/x.git",
        "https://127.0.0.1:9/x.git",
        "--upload-pack=TOOL",
    ],
)
def test_nothing_runs_on_the_way_to_an_address(trapped, tool, run, address):
    for key in ("protocol.ext.allow", "protocol.allow"):
        git(trapped, "config", key, "always")
    git(trapped, "config", "remote.origin.url", address.replace("TOOL", tool.path))
    before = state(trapped)
    status, said = run("commit", "--push")
    assert status == 3, said
    assert "error[MLS-E7" in said
    assert tool.ran() == ""
    assert state(trapped) == before


@pytest.mark.parametrize("key", ["remote.origin.vcs", "url.ext::TOOL .insteadOf"])
def test_nothing_runs_by_another_name(here, remote, tool, run, key):
    git(here, "config", "protocol.ext.allow", "always")
    git(here, "config", "remote.origin.url", "x:y" if "insteadOf" in key else tool.path)
    git(here, "config", key.replace("TOOL", tool.path), "x:" if "insteadOf" in key else "ext")
    status, said = run("commit", "--push")
    assert (status, tool.ran()) == (3, "")
    assert "transport 'ext' not allowed" in said


def test_nothing_runs_that_an_included_file_names(here, remote, tool, run, tmp_path):
    (tmp_path / "included").write_text(f"[core]\n\tsshCommand = {tool.path}\n\tfsmonitor = {tool.path}\n")
    git(here, "config", f"includeIf.gitdir:{here}/.git.path", str(tmp_path / "included"))
    git(here, "config", "remote.origin.url", "ssh://git@127.0.0.1:9/x.git")
    git(here, "status")
    assert tool.ran(), "it is included"
    assert run("commit", "--push")[0] == 3
    assert tool.ran() == ""


@pytest.mark.parametrize("key", ["remote.origin.uploadpack", "core.sshCommand"])
def test_nothing_runs_where_a_partial_clone_lacks_an_object(remote, tool, run, tmp_path, monkeypatch, key):
    git(remote, "config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "-q", "--filter=blob:none", "--no-checkout", remote.as_uri(), "partial")
    monkeypatch.chdir(tmp_path / "partial")
    git(tmp_path / "partial", "config", key, tool.path)
    if key == "core.sshCommand":
        git(tmp_path / "partial", "config", "remote.origin.url", "ssh://git@127.0.0.1:9/x.git")
    status, said = run("diff", "--from", "HEAD", "--to", "HEAD")
    assert (status, tool.ran()) == (3, ""), said


def test_what_the_user_has_set_still_holds(here, tool, run, monkeypatch, tmp_path):
    """What stands in the user's own configuration, or in the environment, is the user's word."""
    git(here, "remote", "add", "origin", "ssh://git@127.0.0.1:9/x.git")
    git(here, "config", "core.sshCommand", "false")
    home = tmp_path / "gitconfig"
    home.write_text(f"[core]\n\tsshCommand = {tool.path}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home))
    assert run("commit", "--push")[0] == 3
    assert "git-upload-pack" in tool.ran()
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_SSH_COMMAND", tool.path)
    assert run("commit", "--push")[0] == 3
    assert "git-upload-pack" in tool.ran()


# Remotes


class Locked(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.seen.append(self.headers.get("Authorization"))
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="models"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def locked():
    """A server that wants credentials."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Locked)
    server.seen = []
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_remote_that_wants_credentials(here, locked, run):
    git(here, "remote", "add", "origin", f"http://127.0.0.1:{locked.server_port}/models.git")
    before = state(here)
    status, said = run("commit", "--push")
    assert status == 3
    assert "error[MLS-E704]: the remote wants credentials that git does not have" in said
    assert "give git a credential helper" in said
    assert state(here) == before


def test_credentials_that_are_wrong_are_not_shown(here, locked, run):
    git(here, "remote", "add", "origin", f"http://ada:hunter2@127.0.0.1:{locked.server_port}/models.git")
    status, said = run("commit", "--push")
    assert (status, "MLS-E704" in said, "hunter2" in said) == (3, True, False)
    assert locked.seen[-1], "they were tried"


def test_a_helper_of_the_repository_is_not_run_and_that_is_said(here, locked, run, tool):
    git(here, "remote", "add", "origin", f"http://127.0.0.1:{locked.server_port}/models.git")
    git(here, "config", "credential.helper", f"!{tool.path}")
    status, said = run("commit", "--push")
    assert (status, tool.ran()) == (3, "")
    assert "the repository's own credential.helper is not run" in said
    assert "git config --global credential.helper" in said


def test_a_helper_of_the_user_is_run_beside_one_of_the_repository(here, locked, run, tool, monkeypatch, tmp_path):
    helper = tmp_path / "helper"
    helper.write_text("#!/bin/sh\necho username=ada\necho password=hunter2\n")
    helper.chmod(0o755)
    (tmp_path / "gitconfig").write_text(f"[credential]\n\thelper = {helper}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    git(here, "remote", "add", "origin", f"http://127.0.0.1:{locked.server_port}/models.git")
    git(here, "config", "credential.helper", tool.path)
    assert run("commit", "--push")[0] == 3
    assert tool.ran() == ""
    assert any(locked.seen), "the user's was asked"


def test_a_server_that_never_answers(here, run, monkeypatch):
    monkeypatch.setattr("mlspec.repository.remotes.REMOTE_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        git(here, "remote", "add", "origin", f"http://127.0.0.1:{server.getsockname()[1]}/models.git")
        before = state(here)
        status, said = run("commit", "--push")
    assert status == 3
    assert "error[MLS-E706]: git ls-remote did not end within 0.5 s" in said
    assert state(here) == before


@pytest.mark.parametrize("hook", ["pre-receive", "update"])
def test_a_protected_branch_is_quoted_once(here, remote, run, hook, tmp_path):
    file = remote / "hooks" / hook
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\necho once >> {tmp_path}/asked\necho 'GH006: Protected branch update failed' >&2\nexit 1\n")
    file.chmod(0o755)
    before = state(here), git(remote, "for-each-ref")
    status, said = run("commit", "--push")
    assert status == 3
    assert "error[MLS-E717]: origin refuses the push to main: GH006: Protected branch update failed" in said
    assert "--pr" in said
    assert (state(here), git(remote, "for-each-ref")) == before
    assert (tmp_path / "asked").read_text() == "once\n", "it is not tried again"


# Names


@pytest.mark.parametrize(
    "name", ["--upload-pack=touch x", "-x", "HEAD", "", "a..b", "a b", "a\nb", "a\x1b[31m", "a~1", "@{-1}", "refs/heads/", "x.lock"]
)
@pytest.mark.parametrize("option", ["--branch", "--from"])
def test_what_is_no_branch_name(here, remote, run, option, name):
    before = state(here), git(remote, "for-each-ref")
    status, said = run("commit", f"{option}={name}", "--push")
    assert (status, "error[MLS-E712]" in said) == (2, True), said
    assert "\x1b" not in said
    assert (state(here), git(remote, "for-each-ref")) == before


@pytest.mark.parametrize("revision", ["--output=x", "-x", "a..b", "HEAD:churn", "", "nothing\x1b[31m"])
@pytest.mark.parametrize("command", [["diff", "--from"], ["diff", "--to"], ["check", "--against"]], ids=" ".join)
def test_what_is_no_revision(here, run, command, revision):
    main(["compile", "--quiet"])
    before = state(here)
    status, said = run(*command[:-1], f"{command[-1]}={revision}")
    assert (status, "error[MLS-E719]" in said, "\x1b" in said) == (2, True, False), said
    assert state(here) == before


@pytest.mark.parametrize("variable", ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"])
@pytest.mark.parametrize("value", ["Ada\nparent 0123", "Ada <root@example.com>", "Ada\x1b[31m"])
def test_what_cannot_name_an_author(here, run, monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    before = state(here)
    status, said = run("commit")
    assert (status, f"error[MLS-E715]: {variable} is" in said, "\x1b" in said) == (2, True, False), said
    assert state(here) == before


def test_a_configured_name_makes_no_other_headers(here, run, monkeypatch):
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL"):
        monkeypatch.delenv(name)
    git(here, "config", "user.name", "Ada\nparent 0123 <x@y>\n\nMlspec-Source: z")
    git(here, "config", "user.email", "ada@example.com")
    assert run("commit")[0] == 0
    headers = git(here, "cat-file", "commit", "HEAD").partition("\n\n")[0].split("\n")
    assert [line.split(" ")[0] for line in headers] == ["tree", "parent", "author", "committer"]


# Kinds of repositories


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="giving a folder to another user takes root")
@pytest.mark.parametrize(
    "command", ["commit", "diff", "check --against HEAD", "merge-driver install", "rollout drive --prometheus http://x"]
)
def test_a_repository_of_another_user_is_not_trusted(here, run, monkeypatch, tmp_path, command):
    main(["compile", "--quiet"])
    for path in [here, *here.rglob("*")]:
        os.chown(path, 12345, 12345, follow_symlinks=False)
    (tmp_path / "gitconfig").write_text("")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    before = snapshot(here)
    status, said = run(*command.split())
    assert status == 3
    assert f"error[MLS-E703]: git does not trust {here}: it belongs to another user" in said
    assert f"git config --global --add safe.directory {here}" in said
    assert (tmp_path / "gitconfig").read_text() == "", "it is never added for them"
    assert snapshot(here) == before


def test_a_spec_that_is_a_pointer_of_lfs(here, run):
    (here / "churn/mlspec.yaml").write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 123\n")
    commit_all(here)
    before = state(here)
    for command in ("commit", "compile", "validate"):
        status, said = run(command)
        assert (status, "error[MLS-E006]: this is a pointer of Git LFS" in said) == (1, True), said
    assert state(here) == before


def test_a_spec_in_a_folder_that_is_ignored(here, run):
    """It is in no commit on purpose: nobody is told to commit it."""
    (here / ".gitignore").write_text("scratch/\n/deploy/\n")
    commit_all(here)
    (here / "scratch").mkdir()
    (here / "scratch/mlspec.yaml").write_text(spec("scratch"))
    status, said = run("commit")
    assert (status, "W701" in said) == (0, False), said
    assert "deploy/churn/prod/serving-churn.yaml" in git(here, "ls-tree", "-r", "--name-only", "HEAD"), "what is generated is committed"
    assert "scratch" not in git(here, "ls-tree", "-r", "--name-only", "HEAD")
    status, said = run("commit", "scratch")
    assert (status, "has nothing at scratch" in said) == (2, True)


@pytest.fixture
def containing(here, tmp_path):
    """A repository with another as a submodule."""
    make_clone(tmp_path / "other", fraud="1.0.0")
    git(here, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(tmp_path / "other"), "vendored")
    commit_all(here)
    return here


def test_the_spec_of_a_submodule_is_not_this_repositorys(containing, run):
    status, said = run("commit")
    assert (status, "W701" in said) == (0, False), said
    assert git(containing / "vendored", "status", "--porcelain") == ""


def test_a_commit_in_a_submodule_is_made_there(containing, run):
    before = git(containing, "rev-parse", "HEAD")
    status, said = run("commit", "vendored")
    assert status == 0, said
    assert git(containing, "rev-parse", "HEAD") == before
    assert git(containing / "vendored", "log", "-1", "--format=%an") == "bot"
    assert git(containing / "vendored", "status", "--porcelain") == ""
    assert (containing / "vendored/fraud/mlspec.lock").exists()


def test_compiling_in_a_submodule_stays_there(containing, run):
    assert run("compile", "vendored")[0] == 0
    assert (containing / "vendored/deploy/fraud").is_dir()
    assert not (containing / "deploy").exists()


SITUATIONS = {
    "no commit yet": ("git init -q -b main", {"commit": (3, "MLS-E709"), "diff": (2, "MLS-E719"), "check --against HEAD": (2, "MLS-E719")}),
    "no repository": ("rm -rf .git", {"commit": (3, "MLS-E702"), "diff": (3, "MLS-E702"), "merge-driver install": (3, "MLS-E702")}),
    "no remote": ("", {"commit --push": (3, "MLS-E718"), "commit --pr": (3, "MLS-E718")}),
    "detached head": (
        "git checkout -q --detach",
        {"commit": (2, "MLS-E750"), "rollout drive --prometheus http://x": (2, "MLS-E750"), "diff": (0, "")},
    ),
    "a branch that is not there": (
        "",
        {"commit --from nothing": (3, "MLS-E709"), "rollout drive --from no --prometheus http://x": (3, "MLS-E709")},
    ),
    "inside the git folder": ("cd .git", {"commit": (3, "MLS-E710"), "diff": (3, "MLS-E710")}),
    "a broken configuration": ("printf '[core\\n' >> .git/config", {"commit": (3, "MLS-E700"), "diff": (3, "MLS-E700")}),
}


@pytest.mark.parametrize(("name", "command"), [(name, command) for name, (_, commands) in SITUATIONS.items() for command in commands])
def test_what_a_situation_allows(here, run, monkeypatch, name, command):
    preparation, commands = SITUATIONS[name]
    if name == "no commit yet":
        shutil.rmtree(here / ".git")
    main(["compile", "--quiet"])
    subprocess.run(["sh", "-ec", preparation], cwd=here, check=True)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(here.parent))
    monkeypatch.chdir(here / ".git" if name == "inside the git folder" else here)
    before = snapshot(here)
    status, said = run(*command.split())
    assert status == commands[command][0], said
    assert commands[command][1] in said
    assert snapshot(here) == before


@pytest.fixture
def shallow(here, remote, tmp_path, monkeypatch):
    """A clone of the last commit alone, of three."""
    for number in (1, 2):
        (here / "churn/mlspec.yaml").write_text(spec(version=f"1.0.{number}"))
        commit_all(here)
    git(here, "push", "-q", "origin", "main")
    git(tmp_path, "clone", "-q", "--depth", "1", remote.as_uri(), "shallow")
    monkeypatch.chdir(tmp_path / "shallow")
    return tmp_path / "shallow"


@pytest.mark.parametrize("command", ["diff --from HEAD~1", "check --against HEAD~1", "diff --from HEAD~1 --to HEAD"])
def test_what_a_shallow_clone_lacks(shallow, run, command):
    main(["compile", "--quiet"])
    status, said = run(*command.split())
    assert (status, "error[MLS-E707]" in said, "git fetch --unshallow" in said) == (2, True, True), said
    git(shallow, "fetch", "-q", "--unshallow")
    assert run(*command.split())[0] == 0


def test_two_revisions_of_a_bare_repository(here, remote, run, monkeypatch):
    (here / "churn/mlspec.yaml").write_text(spec(version="1.0.1"))
    commit_all(here)
    git(here, "push", "-q", "origin", "main")
    monkeypatch.chdir(remote)
    status, said = run("diff", "--from", "main~1", "--to", "main")
    assert (status, "1.0.0 → 1.0.1" in said) == (0, True), said
    status, said = run("diff", "--from", "main")
    assert (status, "error[MLS-E710]: a bare repository has no work tree" in said) == (2, True)


# Somebody is in the middle of something


def divide(folder):
    """Make two branches that change one line."""
    git(folder, "checkout", "-q", "-b", "other")
    (folder / "notes.txt").write_text("theirs\n")
    commit_all(folder, "theirs")
    git(folder, "checkout", "-q", "main")
    (folder / "notes.txt").write_text("ours\n")
    commit_all(folder, "ours")


UNDER_WAY = {
    "merge": ["merge", "other"],
    "cherry-pick": ["cherry-pick", "other"],
    "revert": ["revert", "--no-edit", "HEAD~1"],
    "rebase": ["rebase", "other"],
}


@pytest.mark.parametrize("what", UNDER_WAY)
def test_a_branch_in_the_middle_of_something_does_not_move(here, remote, run, what):
    divide(here)
    if what == "revert":
        (here / "notes.txt").write_text("later\n")
        commit_all(here, "later")
    git(here, "push", "-q", "origin", "main")
    git(here, *UNDER_WAY[what], check=False)
    before = state(here)
    status, said = run("commit", "--branch", "main") if what == "rebase" else run("commit")
    assert status == 3, said
    assert f"error[MLS-E711]: a {what} of main is under way" in said
    assert f"git {what} --continue" in said
    assert state(here) == before
    status, said = run("commit", "--from", "main", "--push")
    assert status == 0, "a push moves nothing here"
    git(here, what, "--abort")
    assert run("commit", "--quiet")[0] == 0


def test_a_rebase_in_another_work_tree(here, run, tmp_path):
    divide(here)
    git(here, "checkout", "-q", "-b", "side")
    git(here, "worktree", "add", "-q", str(tmp_path / "tree"), "main")
    git(tmp_path / "tree", "rebase", "other", check=False)
    status, said = run("commit", "--from", "main")
    assert (status, "error[MLS-E711]: a rebase of main is under way" in said) == (3, True), said
    assert run("commit")[0] == 0, "the branch that is checked out here is another"


# Versions of mlspec


def test_an_older_mlspec_leaves_what_a_newer_one_wrote(here, run):
    assert run("commit")[0] == 0
    lock = here / "churn/mlspec.lock"
    lock.write_text(lock.read_text().replace('compiler: "0.1.0"', 'compiler: "99.0.0"'))
    (here / "churn/mlspec.yaml").write_text(spec(version="1.0.1"))
    commit_all(here)
    before = state(here)
    for command in ("compile", "commit", "check"):
        status, said = run(command)
        assert (status, "error[MLS-E604]" in said) == (1, True), said
        assert "99.0.0" in said
    assert state(here) == before


def test_a_newer_mlspec_goes_on_from_an_older_one(here, run):
    assert run("commit")[0] == 0
    lock = here / "churn/mlspec.lock"
    current = lock.read_text()
    lock.write_text(current.replace('compiler: "0.1.0"', 'compiler: "0.0.1"'))
    commit_all(here)
    assert run("commit")[0] == 0
    assert lock.read_text() == current
    assert run("commit")[1].startswith("nothing to commit"), "and no further"


def test_a_spec_says_which_versions_may_compile_it(here, run):
    text = spec() + 'requires: ">=99"\n'
    (here / "churn/mlspec.yaml").write_text(text)
    commit_all(here)
    before = state(here)
    for command in ("compile", "commit"):
        status, said = run(command)
        assert status == 1, said
        assert ">=99" in said
    assert state(here) == before


# What is said, for machines


@pytest.mark.parametrize("form", ["json", "sarif", "github", "gitlab", "junit", "text"])
def test_formats_name_the_code(here, run, form):
    status, said = run("commit", "--push", "--format", form)
    assert status == 3
    assert "MLS-E718" in said
    assert "there is no remote named" in said


@pytest.mark.parametrize("way", [".", ""])
def test_no_program_of_the_repository_is_taken_for_git(here, run, monkeypatch, tool, way):
    for name in ("git", "ssh"):
        shutil.copy(tool.path, here / name)
    git(here, "remote", "add", "origin", "ssh://git@127.0.0.1:9/x.git")
    monkeypatch.setenv("PATH", f"{way}{os.pathsep}{os.environ['PATH']}")
    runner._binary.cache_clear()
    assert run("diff")[0] == 0
    assert run("commit", "--push")[0] == 3
    assert tool.ran() == ""


def test_the_names_of_branches_under_way_are_read_not_run(here):
    (here / ".git/rebase-merge").mkdir()
    (here / ".git/rebase-merge/head-name").write_bytes(b"\xff\x00$(touch x)\n")
    clones.require_finished(clones.open_clone(here), "refs/heads/main")
    assert not (here / "x").exists()
