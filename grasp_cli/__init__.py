"""The command line, the only room that knows all others: one file a group of commands, heavy imports inside them."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
import warnings
from collections.abc import Callable
from typing import Annotated, Any

import typer

from .compare import compare
from .data import data
from .diff import diff
from .doctor import doctor
from .edit import edit
from .effects import effects
from .evaluate import evaluate
from .explain import explain
from .help import WIDTH, Command, Group
from .identify import identify
from .lab import figures, sweep
from .linearity import linearity
from .methods import methods
from .model import model
from .options import as_options
from .pairs import pairs
from .reproduce import reproduce
from .requirements import PACKAGE, installed, missing
from .survey import survey
from .train import train
from .verify import verify

# click.UsageError, which typer carries its own copy of in newer versions
USAGE_ERROR: Any = typer.BadParameter.__base__

app = typer.Typer(
    name="grasp",
    help="Identify spurious directions in the weights of a LoRA fine-tune, and check the theory behind it.",
    cls=Group,
    context_settings={"max_content_width": WIDTH},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

# job -> its commands, each with a line as it is typed
COMMANDS: dict[str, dict[Callable[..., None], str]] = {
    "Audit an adapter": {
        identify: "grasp identify my-adapter --html report.html",
        diff: "grasp diff my-adapter other-adapter --explain",
        survey: "grasp survey my-adapters --jobs 4",
        effects: "grasp effects my-adapter --base MODEL --pairs drift.jsonl --task task.jsonl",
        explain: "grasp explain directions.safetensors --base MODEL --data F.jsonl",
        linearity: "grasp linearity my-adapter --base MODEL --data F.jsonl",
    },
    "Fine-tune without a factor": {
        methods: "grasp methods --explain",
        train: "grasp train --base MODEL --data F.jsonl -o naive --method kl --neutral own",
        edit: "grasp edit my-adapter --directions directions.safetensors -o edited",
        evaluate: "grasp evaluate --base MODEL --adapter naive --adapter clean --task F.jsonl",
        compare: "grasp compare comparison.toml --jobs 4",
    },
    "Models and data": {
        model: "grasp model smollm2",
        data: "grasp data smollm2-style --datasets DATASETS -o style",
        pairs: "grasp pairs questions.jsonl -o drift.jsonl",
    },
    "Theory, lab and figures": {
        verify: "grasp verify prior-angle --explain",
        sweep: "grasp sweep phase-diagram --quick --results results",
        figures: "grasp figures phase-diagram --results results",
        reproduce: "grasp reproduce --jobs 4",
    },
    "This machine": {
        doctor: "grasp doctor --json machine.json",
    },
}


def _version(value: bool) -> None:
    if value:
        typer.echo(f"grasp {installed(PACKAGE) or '(not installed)'}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Exit codes: 0 done, 1 a check failed, 2 bad input, 130 interrupted."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


for panel, commands in COMMANDS.items():
    for command, example in commands.items():
        app.command(cls=Command, rich_help_panel=panel, epilog=example)(command)


def main(arguments: list[str] | None = None) -> None:
    """Entry point of ``grasp``: errors of the toolkit become one line and exit code 2, warnings one line.

    numpy's BLAS gets one thread, unless the environment says how many: the matrices are small, and threads that wait
    for a core another program has make an audit four times as long. torch has its own.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"  # without the line of code that gave it
    sys.exit(run(app, arguments))


def run(command: Callable[..., Any], arguments: list[str] | None = None) -> int:
    """Exit code of one run."""
    for stream in (sys.stdout, sys.stderr):
        # The place of a character that a terminal or pipe cannot show is taken by "?": no reason to lose the result.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        return _run(command, arguments)
    except (KeyboardInterrupt, typer.Abort) as error:
        if isinstance(error.__cause__, EOFError):  # typer takes a file that ends too early for the end of the keyboard
            return _fail(f"a file that was read back ended too early ({error.__cause__}); remove it")
        return _interrupted()


def _run(command: Callable[..., Any], arguments: list[str] | None) -> int:
    try:
        code = command(args=arguments, prog_name="grasp", standalone_mode=False) or 0
        _flush()
        return _interrupted() if code == 130 else code  # newer versions of typer turn Ctrl-C into this code
    except ValueError as error:
        from grasp_theory.errors import GraspError  # half a second, which help and completion do not wait for

        if not isinstance(error, GraspError):
            raise
        return _fail(as_options(str(error), _options_of(arguments)))
    except ModuleNotFoundError as error:
        message = missing(error)
        if message is None:
            raise
        return _fail(message)
    except USAGE_ERROR as error:
        return _fail(f"{error.format_message()} (see `{error.ctx.command_path if error.ctx else 'grasp'} --help`)")
    except BrokenPipeError:  # the reader of a pipe has seen enough
        _discard()
        return 0
    except SystemExit as ended:  # click's answer to a broken pipe is exit code 1
        if getattr(ended.__context__, "errno", None) == errno.EPIPE:
            _discard()
            return 0
        raise
    except OSError as error:  # of the output: inputs are checked where they are read
        _discard()
        return _fail(f"cannot write the output: {error}")
    except MemoryError:
        return _fail("out of memory: the adapter is larger than this machine can hold at once")


def _flush() -> None:
    """What is left to write fails here, where it is caught, and not when Python ends."""
    if sys.stdout is not None:  # pythonw and closed descriptors
        sys.stdout.flush()


def _discard() -> None:
    """What is left of standard output goes nowhere: Python would try again to write it when it ends."""
    if sys.stdout is not None:
        with contextlib.suppress(OSError, ValueError):  # no file behind it, or closed
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _options_of(arguments: list[str] | None) -> set[str]:
    """The options of the command that was called, such as --name."""
    called: Any = typer.main.get_command(app)
    given = sys.argv[1:] if arguments is None else list(map(str, arguments))
    command = next((called.commands[word] for word in given if word in called.commands), None)
    return set() if command is None else {option for p in command.params for option in p.opts}


def _interrupted() -> int:
    print("interrupted; nothing was left half-written", file=sys.stderr)
    return 130


def _fail(message: str) -> int:
    with contextlib.suppress(OSError):  # nobody can be told: the exit code still says it
        print("error: " + " ".join(message.split()), file=sys.stderr)
    return 2
