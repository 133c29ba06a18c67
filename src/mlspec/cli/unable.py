"""The code under which formats for machines report what the surroundings do not allow, where it has no code of its own."""

from __future__ import annotations

from mlspec.diagnostics import Diagnostic, Found, Unable, code
from mlspec.location import Site


@code("MLS-E090", "unable")
def _unable(error: Unable) -> Found:
    """The surroundings let mlspec do its work: what it reads can be read, where it writes can be written.

    Nothing is wrong with a spec as such. A file is not a regular file or may not be read, a folder may not be written,
    a cluster does not answer. What git does not allow has codes of its own, from MLS-E700 on. The exit status is 3 (2 where
    the command line named something that is not there), so that a script can tell it from a spec that is refused. The
    message says what was tried; mlspec doctor looks around.

    Bad (shell)::

        mkfifo mlspec.yaml

    Good::

        models:
          iris: {framework: sklearn, version: "1.0.0", uri: "s3://acme/iris/1.0.0"}
        serving:
          iris: {model: iris}
    """
    return Found((), error.message, error.help)


def as_diagnostic(error: Unable) -> Diagnostic:
    """Return the diagnostic of an Unable; it stands at no line of any file."""
    code = error.code or _unable(error).code
    return Diagnostic(code.id, "error", error.message, Site(".", 1, 1, 1, 1), error.help)
