"""What git, a repository or a remote does not allow: one code for each trouble, with what to do about it."""

from __future__ import annotations

from pathlib import Path

from mlspec.diagnostics import Unable, code


@code("MLS-E700", "git-failed")
def git_failed(command: str, said: str) -> Unable:
    """Git does what it is asked.

    Git refused for a reason that has no page of its own here; the message quotes it. The exit status is 3. When the same
    git command fails by hand, the reason lies in the repository or in git's configuration, not in mlspec.

    Bad (shell)::

        git init -q -b main
        printf '[core\\n' >> .git/config
        mlspec diff

    Good (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        git add -A
        git commit -q -m one
        mlspec diff
    """
    return Unable(f"git {command} failed: {said}", "see whether git itself works here; mlspec doctor looks around")


@code("MLS-E701", "no-git")
def no_git(message: str, way: str) -> Unable:
    """Git is on the PATH, can be run, and is of version 2.31 or newer.

    Only the commands that speak of revisions, branches or remotes need it; validate, compile and fmt do not. The exit
    status is 3. mlspec doctor shows which git was found.

    Bad (shell)::

        PATH=/nowhere "$(command -v mlspec)" diff

    Good (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        git add -A
        git commit -q -m one
        mlspec diff
    """
    return Unable(message, way)


@code("MLS-E702", "no-repository")
def no_repository() -> Unable:
    """A command that speaks of revisions, branches or remotes runs in a git repository.

    The repository is the one that the first path lies in, else that of the current folder. Git does not look above a mount
    point, nor above the folders of GIT_CEILING_DIRECTORIES. The exit status is 3.

    Bad (shell)::

        rm -rf .git
        mlspec diff

    Good (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        git add -A
        git commit -q -m one
        mlspec diff
    """
    return Unable("this is no git repository", "run git init, or name a path inside a repository")


@code("MLS-E703", "dubious-ownership")
def dubious_ownership(folder: str) -> Unable:
    """The repository belongs to whoever runs mlspec, or git was told to trust it.

    A repository's configuration can name programs, so git works in none that another user owns (CVE-2022-24765). In
    containers the checkout often belongs to another user. mlspec does not work around it, and never adds the folder to
    safe.directory itself: whoever trusts the folder says so once, in the line that the help gives. The exit status is 3.

    Bad (terminal)::

        sudo chown -R nobody .
        mlspec diff

    Good (terminal)::

        sudo chown -R nobody .
        git config --global --add safe.directory "$PWD"
        mlspec diff
    """
    from shlex import quote

    return Unable(
        f"git does not trust {folder}: it belongs to another user", f"if you do: git config --global --add safe.directory {quote(folder)}"
    )


@code("MLS-E704", "no-credentials")
def no_credentials(said: str, ignored: tuple[str, ...] = ()) -> Unable:
    """Git has what a remote wants to know who is there: a credential helper, a token or a key.

    Nobody can be asked, since mlspec runs where nobody sits: neither git nor ssh may prompt. What the repository's own
    configuration names to run (core.sshCommand, credential.helper) is not run either; set it for your user (git config
    --global), or in the environment. The exit status is 3.

    Bad (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        git add -A
        git commit -q -m one
        git remote add origin ssh://git@nowhere.example/acme/models.git
        export GIT_SSH_COMMAND='echo "Permission denied (publickey)." >&2; exit 255;'
        mlspec commit --push

    Good (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        git add -A
        git commit -q -m one
        git clone -q --bare . ../models.git
        git remote add origin ../models.git
        mlspec commit --push
    """
    way = "give git a credential helper, a token or a key; it never asks"
    if ignored:
        own = " and ".join(ignored)
        way = f"the repository's own {own} is not run; set it for your user, where you trust it: git config --global {ignored[0]} ..."
    return Unable(f"the remote wants credentials that git does not have: {said}", way)


@code("MLS-E705", "remote-unreachable")
def remote_unreachable(said: str) -> Unable:
    """A remote is at its address and answers.

    The message quotes git. A remote that wants credentials is another matter (MLS-E704), and so is one that is reached but
    does not end (MLS-E706). The exit status is 3; running again is safe.

    Bad (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        git add -A
        git commit -q -m one
        git remote add origin ../nowhere.git
        mlspec commit --push

    Good (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        git add -A
        git commit -q -m one
        git clone -q --bare . ../models.git
        git remote add origin ../models.git
        mlspec commit --push
    """
    return Unable(f"the remote cannot be reached: {said}", "check its address (git remote -v) and the network")


@code("MLS-E706", "git-too-slow")
def git_too_slow(command: str, seconds: float) -> Unable:
    """A git command ends within its time: 120 seconds on the disk, 300 with a remote.

    A network that takes connections and answers nothing would hold a job for hours. Git and all that it has started are
    ended. The exit status is 3; nothing was half done, so running again is safe.

    Bad (terminal)::

        git remote set-url origin https://a-server-that-never-answers.example/models.git
        mlspec commit --push

    Good (terminal)::

        git remote set-url origin https://git.acme.example/models.git
        mlspec commit --push
    """
    return Unable(f"git {command} did not end within {seconds:g} s", "check the disk, the network and the remote, then run again")


@code("MLS-E707", "short-history")
def short_history(message: str, way: str = "fetch the history: git fetch --unshallow", *, status: int = 3) -> Unable:
    """A clone has the history that a command asks for.

    Jobs often fetch one commit alone. That is enough to compile and to commit, not to compare with an older commit or to
    find since when a rollout has been at its step. In a GitHub workflow: fetch-depth: 0 of actions/checkout. The exit
    status is 3, and 2 for a revision that was named.

    Bad (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        git add -A
        git commit -q -m one
        git commit -q -m two --allow-empty
        git clone -q --depth 1 "file://$PWD" ../shallow
        cd ../shallow
        mlspec diff --from HEAD~1

    Good (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        git add -A
        git commit -q -m one
        git commit -q -m two --allow-empty
        git clone -q --depth 1 "file://$PWD" ../shallow
        cd ../shallow
        git fetch -q --unshallow
        mlspec diff --from HEAD~1
    """
    return Unable(message, way, status=status)


@code("MLS-E708", "unreadable-object")
def unreadable_object(message: str, way: str = "see what is damaged: git fsck; then clone anew, or git fetch --refetch") -> Unable:
    """Every object that a command reads is in the clone and whole.

    A file of .git/objects was lost or damaged (a full disk, a machine that went down), a partial clone cannot reach its
    remote, or another git was fetching just then and was ended half way. mlspec looks a second time before it says so;
    commits that a remote has are fetched again where they are not whole. The exit status is 3.

    Bad (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        git add -A
        git commit -q -m one
        rm -f .git/objects/$(git rev-parse HEAD:mlspec.yaml | sed 's|^..|&/|')
        mlspec diff

    Good (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        git add -A
        git commit -q -m one
        mlspec diff
    """
    return Unable(message, way)


@code("MLS-E709", "no-branch")
def no_branch(message: str, way: str) -> Unable:
    """The branch whose specs are asked for exists, and has a commit.

    A repository that was only just made has a branch without a commit. With --push the branch must be on the remote. The
    exit status is 3.

    Bad (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        mlspec commit

    Good (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        git add -A
        git commit -q -m one
        mlspec commit
    """
    return Unable(message, way)


@code("MLS-E710", "no-work-tree")
def no_work_tree(message: str, way: str, *, status: int = 2) -> Unable:
    """A command that reads or writes files of a work tree runs in one.

    A bare repository has none, and the inside of .git is none. mlspec commit and a comparison of two revisions work in bare
    repositories. The exit status is 2, and 3 inside .git.

    Bad (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        git add -A
        git commit -q -m one
        git clone -q --bare . ../models.git
        cd ../models.git
        mlspec diff --from main

    Good (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        git add -A
        git commit -q -m one
        git clone -q --bare . ../models.git
        cd ../models.git
        mlspec diff --from main --to main
    """
    return Unable(message, way, status=status)


@code("MLS-E711", "unfinished")
def unfinished(message: str, way: str, *, status: int = 3) -> Unable:
    """A merge, a rebase or the like is ended before its branch is moved, and its conflicts are solved before it is finished.

    A rebase puts its branch in place at the end, and fails when somebody has moved it in between; a merge that is aborted
    goes back to where it began. mlspec commit therefore waits for whoever is at it, except with --push, which moves
    nothing here. The exit status is 3, and 4 while specs are in conflict.

    Bad (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        git add -A
        git commit -q -m one
        git checkout -q -b other
        git commit -q --allow-empty -m two
        git checkout -q main
        git merge -q --no-ff --no-commit other
        mlspec commit

    Good (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        git add -A
        git commit -q -m one
        git checkout -q -b other
        git commit -q --allow-empty -m two
        git checkout -q main
        git merge -q --no-ff --no-edit other
        mlspec commit
    """
    return Unable(message, way, status=status)


@code("MLS-E712", "branch-name")
def branch_name(branch: str) -> Unable:
    """A branch has a name that git takes for one, and for nothing else.

    No name begins with a dash, so that none is taken for an option; `HEAD`, `a..b`, blanks and control characters are no
    names. Other odd names are data: no shell sees them. The exit status is 2.

    Bad (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        git add -A
        git commit -q -m one
        mlspec commit --branch='--upload-pack=touch x'

    Good (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        git add -A
        git commit -q -m one
        mlspec commit --branch=deploy
    """
    return Unable(f"{branch!a} cannot be the name of a branch", "give a branch's name, such as main", status=2)


@code("MLS-E713", "persons-branch")
def persons_branch(branch: str, commit: str) -> Unable:
    """On a branch that mlspec keeps for itself (--branch, --pr), the last commit is one of its own.

    A person who commits there wants to have a say: that commit is neither built upon nor pushed over. The exit status is 4.

    Bad (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        git add -A
        git commit -q -m one
        mlspec commit --branch deploy
        git checkout -q deploy
        git commit -q --allow-empty -m mine
        git checkout -q main
        mlspec commit --branch deploy

    Good (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        git add -A
        git commit -q -m one
        mlspec commit --branch deploy
        mlspec commit --branch deploy
    """
    return Unable(
        f"{branch} is left alone: its last commit {commit[:12]} is not one of mlspec's",
        "merge it, delete the branch, or name another with --branch",
        status=4,
    )


@code("MLS-E714", "lost-race")
def lost_race(message: str, way: str = "run again") -> Unable:
    """Nobody else moves the same branch, index or rollout all the time.

    A branch that somebody else has moved in the meantime is fetched and compiled again, ten times, after pauses of random
    length; nothing is forced, nothing is merged as text. Then, and where a lock of another run is not let go, mlspec gives
    up with exit 4. Nothing was lost; running again is safe. Where nobody moved the branch and it still takes no push, the
    remote holds a lock that a killed push has left; its host takes that away.

    Bad (terminal)::

        while git commit --allow-empty -m more && git push; do :; done &
        mlspec commit --push

    Good (terminal)::

        mlspec commit --push
    """
    return Unable(message, way, status=4)


@code("MLS-E715", "commit-text")
def commit_text(message: str, way: str) -> Unable:
    """What names an author, and what a message says, can stand in a commit as it is.

    Line ends and angle brackets in a name would make other headers of a commit; a line that looks like one of mlspec's
    trailers (Mlspec-Source, Mlspec-Digest, Mlspec-Compiler) would pass for its word. Git would drop such letters silently.
    The exit status is 2.

    Bad (shell)::

        git init -q -b main
        git add -A
        git -c user.name=a -c user.email=a@example.com commit -q -m one
        mlspec commit --author-name 'Ada <root@example.com>' --author-email a@example.com

    Good (shell)::

        git init -q -b main
        git add -A
        git -c user.name=a -c user.email=a@example.com commit -q -m one
        mlspec commit --author-name 'Ada' --author-email a@example.com
    """
    return Unable(message, way, status=2)


@code("MLS-E716", "nobody-commits")
def nobody_commits() -> Unable:
    """Whoever commits has a name and an address.

    They come from --author-name and --author-email, else from GIT_AUTHOR_NAME and GIT_AUTHOR_EMAIL, else from git's
    user.name and user.email. mlspec invents nobody, as git would from the machine's name. The exit status is 3.

    Bad (shell)::

        git init -q -b main
        git add -A
        git -c user.name=a -c user.email=a@example.com commit -q -m one
        unset GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL EMAIL
        export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
        mlspec commit

    Good (shell)::

        git init -q -b main
        git add -A
        git -c user.name=a -c user.email=a@example.com commit -q -m one
        mlspec commit --author-name a --author-email a@example.com
    """
    return Unable(
        "git does not know who commits",
        "give --author-name and --author-email, set GIT_AUTHOR_NAME and GIT_AUTHOR_EMAIL, or git config user.name and user.email",
    )


@code("MLS-E717", "push-refused")
def push_refused(remote: str, branch: str, reason: str) -> Unable:
    """The remote lets mlspec push to the branch.

    A protected branch, a hook or missing rights: the message quotes the remote. mlspec does not try again, and forces
    nothing. Push to a branch of its own and let people merge it (--pr), or allow the bot to push. The exit status is 3.

    Bad (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        git add -A
        git commit -q -m one
        git clone -q --bare . ../models.git
        git remote add origin ../models.git
        mkdir -p ../models.git/hooks
        printf '#!/bin/sh\\necho the branch is protected >&2; exit 1\\n' > ../models.git/hooks/pre-receive
        chmod +x ../models.git/hooks/pre-receive
        mlspec commit --push

    Good (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        git add -A
        git commit -q -m one
        git clone -q --bare . ../models.git
        git remote add origin ../models.git
        mlspec commit --push
    """
    return Unable(f"{remote} refuses the push to {branch}: {reason}", "push with --pr where the branch is protected")


@code("MLS-E718", "no-remote")
def no_remote(remote: str, names: list[str]) -> Unable:
    """A remote that is pushed to is one of the clone's, by name.

    The name is that of `git remote`, never an address: an address from a command line could be anything, an option or a
    program included. The exit status is 3.

    Bad (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        git add -A
        git commit -q -m one
        mlspec commit --push

    Good (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        git add -A
        git commit -q -m one
        git clone -q --bare . ../models.git
        git remote add origin ../models.git
        mlspec commit --push
    """
    there = f"there are {', '.join(names)}" if names else "this clone has none"
    return Unable(f"there is no remote named {remote!a}; {there}", "add it (git remote add), or name another with --remote")


@code("MLS-E719", "no-revision")
def no_revision(revision: str) -> Unable:
    """A revision that is named is a commit of this clone.

    A branch, a tag or (part of) an id. A branch that only the remote has is origin/NAME, once it was fetched. The exit status
    is 2. In a shallow clone the code is MLS-E707.

    Bad (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        git add -A
        git commit -q -m one
        mlspec diff --from origin/main

    Good (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        git add -A
        git commit -q -m one
        mlspec diff --from main
    """
    way = "commit the specs first" if revision == "HEAD" else "give a branch, a tag or a commit"
    return Unable(f"there is no commit {revision!a} in this clone", way, status=2)


@code("MLS-E750", "detached-head")
def detached_head() -> Unable:
    """A branch is checked out, or named.

    Jobs often check out a commit instead of a branch. Compiling and comparing work there; a commit needs the branch that
    gets it. The exit status is 2.

    Bad (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        git add -A
        git commit -q -m one
        git checkout -q --detach
        mlspec commit

    Good (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        git add -A
        git commit -q -m one
        git checkout -q --detach
        mlspec commit --from main
    """
    return Unable("no branch is checked out (a detached head)", "say which branch is meant: --from BRANCH", status=2)


@code("MLS-E751", "branch-in-use")
def branch_in_use(branch: str, tree: Path) -> Unable:
    """A branch that mlspec keeps for itself (--branch) is checked out in no work tree.

    It follows the specs' branch with all that this holds, so moving it would change every file of that work tree. The exit
    status is 3.

    Bad (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        git add -A
        git commit -q -m one
        git worktree add -q -b deploy ../deploy
        mlspec commit --branch deploy

    Good (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        git add -A
        git commit -q -m one
        mlspec commit --branch deploy
    """
    return Unable(f"the branch {branch} is checked out in {tree}", "check out another branch there, or use --push")
