"""A real Kubernetes API server and a real Argo CD."""

from __future__ import annotations

import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import yaml

from judges.bench import Case, Skipped, Verdict, run
from judges.stand_ins import settling

PATIENCE = 90
"""For how many seconds a server may take to stop."""


class Servers:
    """The servers that judge, started when they are first needed and stopped unless they are to be kept."""

    def __init__(self, shared: pathlib.Path) -> None:
        self._tools = shared / "tools"
        self._argo_cd = self._tools / "argocd" / "argocd-local"
        self._started: list[pathlib.Path] = []

    def stop(self) -> None:
        """Stop what was started here, and forget what it held. Returns when another may be started in its place."""
        while self._started:
            program = self._started.pop()
            port = api_port(environment(program)) if program.name == "apiserver" else None
            subprocess.run([str(program), "down"], check=False)
            wait_until_closed(port)

    def kubernetes(self, cases: list[Case]) -> Iterator[Verdict | Skipped]:
        """Send every object to a real API server: strict, applied, read back; warnings count."""
        program = self._tools / "apiserver" / "apiserver"
        why = unready(program, "kube-apiserver")
        if why:
            yield Skipped("kube-apiserver", why)
            return
        surroundings = self._surroundings()
        command = [sys.executable, str(program.with_name("judge.py")), "--apply", "--roundtrip", "--strict-warnings"]
        for case in cases:
            said, lines, status = last_line([*command, str(case.root / "deploy")], surroundings)
            good = status == 0 and " 0 rejected" in said and said.endswith(" 0 differences")
            yield Verdict(case.name, "kube-apiserver", said, lines, good)

    def _surroundings(self) -> dict[str, str]:
        """Return the surroundings in which clients find the API server, which is started unless it answers."""
        program = self._tools / "apiserver" / "apiserver"
        surroundings = environment(program)
        if not answers(surroundings):
            subprocess.run([str(program), "up"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self._started.append(program)
        return surroundings

    def argo_cd(self, cases: list[Case]) -> Iterator[Verdict | Skipped]:
        """Show every tree that Argo CD deploys to a real one, on a cluster that has none of it yet.

        Nothing makes pods here. Stand-ins say that endpoints and what is deployed with them are ready, so that the route of a canary
        comes after it; a wave that waited for the health of anything else would wait for ever.
        """
        surroundings = self.deploying()
        if isinstance(surroundings, Skipped):
            yield surroundings
            return
        for case in cases:
            if (case.root / "deploy" / "argocd").is_dir():
                with settling(surroundings):
                    said, lines, status = last_line([sys.executable, str(self._argo_cd.with_name("sync.py")), str(case.root)], surroundings)
                yield Verdict(case.name, "Argo CD", said, lines, status == 0)
        self.stop()

    def deploying(self) -> dict[str, str] | Skipped:
        """Start Argo CD on an API server, and return the surroundings in which clients find that; or why it cannot be."""
        why = "" if shutil.which("redis-server") else "it needs redis-server, which is not here"
        why = why or unready(self._argo_cd, "argocd") or unready(self._tools / "apiserver" / "apiserver", "kube-apiserver")
        if why:
            return Skipped("Argo CD", why)
        surroundings = self._surroundings()
        subprocess.run([str(self._argo_cd), "up"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._started.append(self._argo_cd)
        return surroundings


def unready(program: pathlib.Path, binary: str) -> str:
    """Tell why a server cannot be started; empty when it can. One that is not built yet is built where Go is."""
    if not program.exists():
        return f"{program} is not here; say where it is with --shared"
    name = program.parent.name
    home = pathlib.Path(os.environ.get(f"MLSPEC_{name.upper()}", pathlib.Path.home() / ".cache" / f"mlspec-{name}"))
    places = [home / "bin" / binary, pathlib.Path(os.environ.get("KUBEBUILDER_ASSETS", "/nowhere"), binary)]
    if any(place.exists() for place in places):
        return ""
    if not shutil.which("go"):
        return "it is not built, and there is no Go to build it with"
    print(f"building {binary}; this takes minutes, once")
    if subprocess.run([str(program), "build"], check=False).returncode:
        return "it could not be built"
    return ""


def answers(surroundings: dict[str, str]) -> bool:
    """Tell whether an API server is up already; it is used then, and left running."""
    kubectl = pathlib.Path(surroundings["KUBEBUILDER_ASSETS"], "kubectl")
    return kubectl.exists() and run([str(kubectl), "get", "--raw", "/readyz"], surroundings).returncode == 0


def api_port(surroundings: dict[str, str]) -> int | None:
    """Return the port of the API server; None when nothing says it."""
    file = pathlib.Path(surroundings["KUBECONFIG"])
    config = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else None
    return urlsplit(config["clusters"][0]["cluster"]["server"]).port if config else None


def wait_until_closed(port: int | None) -> None:
    """Wait until nothing listens on a port: a server that was told to stop first ends its watches."""
    for _ in range(PATIENCE if port else 0):
        with socket.socket() as link:
            if link.connect_ex(("127.0.0.1", port)):
                return
        time.sleep(1)


def environment(program: pathlib.Path) -> dict[str, str]:
    """Return the surroundings in which clients find the API server."""
    text = subprocess.run([str(program), "env"], check=True, capture_output=True, text=True).stdout
    words = [word.partition("=") for word in text.removeprefix("export ").split()]
    return {**os.environ, **{name: value for name, _, value in words}}


def last_line(command: list[str], surroundings: dict[str, str]) -> tuple[str, list[str], int]:
    """Run a judge; return its last line, the lines before it and its exit."""
    done = run(command, surroundings)
    *lines, said = (done.stdout.strip() or done.stderr.strip() or "it said nothing").splitlines()
    return said, [*lines, *(done.stderr.strip().splitlines() if done.stdout.strip() else [])], done.returncode
