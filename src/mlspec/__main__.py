"""The way in and the way out: every end that a run can come to has its exit status here."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from mlspec.cli.console import Console
    from mlspec.diagnostics import Unable

FINDINGS, USAGE, SURROUNDINGS, BUG, INTERRUPTED, CLOSED_PIPE, TERMINATED = 1, 2, 3, 70, 130, 141, 143


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status; write what went wrong as the chosen format wants it."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal of another encoding shows an escape; it is no reason to fail.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    _end_on_sigterm()
    # A compile makes much that lives until it ends and few cycles; looking for them often costs more than it frees.
    gc.set_threshold(100_000, 50, 50)
    try:
        from mlspec.cli.console import Console

        console = Console()
        return _run(list(sys.argv[1:] if arguments is None else arguments), console)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return _leave_closed_pipe()


def _run(arguments: list[str], console: Console) -> int:
    import click

    from mlspec.cli import ClosedPipe, program

    try:
        status = program.main(arguments, prog_name="mlspec", standalone_mode=False, obj=console)
    except click.Abort:
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return USAGE
    except ClosedPipe:
        return _leave_closed_pipe()
    except Exception as error:
        return _explain(error, console)
    return status if isinstance(status, int) else 0


def _explain(error: Exception, console: Console) -> int:
    """Say what ended a command, and return the status that stands for it."""
    from mlspec.diagnostics import Rejected, Unable

    if isinstance(error, Rejected):
        console.report(error.diagnostics, sorted({diagnostic.site.file for diagnostic in error.diagnostics}))
        return FINDINGS
    if isinstance(error, Unable):
        return _give_up(error, console)
    if isinstance(error, OSError):
        if isinstance(error, FileNotFoundError) and _is_nowhere():
            return _give_up(Unable("the current folder is not there any more", "go to one that is: cd"), console)
        what = f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)
        return _give_up(Unable(what), console)
    return _admit(error)


def _is_nowhere() -> bool:
    """Tell whether the folder in which this process stands was removed."""
    try:
        os.getcwd()  # noqa: PTH109 - nothing more is asked
    except FileNotFoundError:
        return True
    return False


def _give_up(error: Unable, console: Console) -> int:
    """Say what the surroundings do not allow."""
    if console.format != "text":
        from mlspec.cli.unable import as_diagnostic

        console.report([as_diagnostic(error)], [])
        return error.status

    from mlspec.reporters.printable import printable

    title = f"error[{error.code.id}]:" if error.code else "error:"
    print(f"{console.painted(title, 'red', err=True)} {printable(error.message, chr(10))}", file=sys.stderr)
    if error.help:
        print(f"{console.painted('help:', 'green', err=True)} {printable(error.help, chr(10))}", file=sys.stderr)
    return error.status


def _admit(error: Exception) -> int:
    """Say that this is a bug of mlspec, without a screen full of its insides."""
    from mlspec import __version__
    from mlspec.reporters.printable import printable

    if os.environ.get("MLSPEC_DEBUG"):
        import traceback

        traceback.print_exception(error)
    print(f"error: this is a bug in mlspec {__version__}: {type(error).__name__}: {printable(str(error))[:500]}", file=sys.stderr)
    print(
        "help: please report it with the command, the spec and the output of `mlspec doctor`; MLSPEC_DEBUG=1 shows where it is",
        file=sys.stderr,
    )
    return BUG


def _leave_closed_pipe() -> int:
    """Point stdout at nothing, so that the interpreter does not stumble over the pipe again on its way out."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)
    return CLOSED_PIPE


def _end_on_sigterm() -> None:
    """Let a termination unwind the stack, so that half-written folders are cleared away."""
    import signal
    import threading

    def end(_number: int, _frame: Any) -> NoReturn:
        raise SystemExit(TERMINATED)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, end)


def run() -> NoReturn:
    """Run the command line of this process, and leave at once: taking everything apart first costs a fifth of a short run."""
    status = main()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        status = CLOSED_PIPE
    except OSError as error:
        status = status or SURROUNDINGS
        os.write(2, f"error: the output cannot be written: {error.strerror}\n".encode())
    os._exit(status)


if __name__ == "__main__":
    run()
