"""The command line: the only file that knows all rooms. Heavy imports sit inside the commands."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import typer

# click.UsageError, which typer carries its own copy of in newer versions
USAGE_ERROR: Any = typer.BadParameter.__base__

app = typer.Typer(
    name="grasp",
    help="Identify spurious directions in the weights of a LoRA fine-tune, and check the theory behind it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class SideOption(StrEnum):
    auto = "auto"
    write = "write"
    read = "read"


class PoolOption(StrEnum):
    auto = "auto"
    layers = "layers"
    none = "none"


AdapterPath = Annotated[Path, typer.Argument(help="A PEFT adapter folder, or a folder of checkpoint-N folders.")]
JsonOption = Annotated[
    Path | None, typer.Option("--json", help="Write the result to this file; - for standard output.")
]


def _version(value: bool) -> None:
    if value:
        try:
            typer.echo(f"grasp {version('grasp-toolkit')}")
        except PackageNotFoundError:
            typer.echo("grasp (not installed)")
        raise typer.Exit


@app.callback()
def root(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Exit codes: 0 done, 1 a check failed, 2 bad input, 130 interrupted."""


@app.command()
def identify(
    adapter: AdapterPath,
    side: Annotated[
        SideOption, typer.Option(help="auto: write modules if there are any, else read.")
    ] = SideOption.auto,
    pool: Annotated[
        PoolOption, typer.Option(help="auto: write modules pooled over layers, read ones apart.")
    ] = PoolOption.auto,
    top: Annotated[int, typer.Option(min=1, max=64, help="Components to report.")] = 8,
    normalize: Annotated[
        bool, typer.Option("--normalize", help="Divide modules by their norm before pooling.")
    ] = False,
    name: Annotated[str | None, typer.Option(help="Which adapter, if the folder holds several.")] = None,
    component: Annotated[
        list[int] | None, typer.Option(help="Component to save with -o (0-based, repeatable).")
    ] = None,
    module: Annotated[
        str | None, typer.Option(help="Which decomposition to save with -o, if there are several.")
    ] = None,
    json: JsonOption = None,
    html: Annotated[Path | None, typer.Option(help="Write a self-contained page with pictures.")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write chosen directions as safetensors.")
    ] = None,
) -> None:
    """Components of a LoRA adapter: strength, noise floor, agreement between layers, certificate, verdict.

    Needs no base model, no data and no network. A folder of checkpoint-N folders gives the trajectory of the run.
    """
    from figures.identify_page import write_results
    from figures.tables import console, show_adapter, show_report
    from grasp_theory import InputError
    from grasp_theory import identify as decompose
    from real_models import find_checkpoints, read_adapter
    from real_models.describe import summary

    if output is not None and not component:
        raise InputError("-o saves an explicit choice: add --component 0 (repeat it for several components)")
    if output is None and component:
        raise InputError("--component chooses what -o saves: add -o FILE.safetensors")
    if output is None and module is not None:
        raise InputError("--module chooses what -o saves: add -o FILE.safetensors")
    if Path("-") in (html, output):
        raise InputError("only --json can go to standard output: name a file for --html and -o")
    _check_targets(html, output, json)
    checkpoints = find_checkpoints(adapter) if name is None and not (adapter / "adapter_config.json").exists() else []
    if checkpoints:
        if html or output or normalize or pool is not PoolOption.auto:
            last = checkpoints[-1][1].name
            raise InputError(
                f"--html, -o, --pool and --normalize need one adapter; {adapter} holds checkpoints: try {last}"
            )
        _trajectory(adapter, checkpoints, side, json)
        return
    found = read_adapter(adapter, name)
    _check_targets(html, output, json, inputs=[found.weights, found.path / "adapter_config.json"])
    report = decompose(found.updates, side=side.value, pool=pool.value, k=top, normalize=normalize)
    if output is not None and component:
        from real_models.directions import choose_directions, save_directions

        save_directions(output, choose_directions(found, report.decomposition(module), tuple(component)))
    write_results(found, report, json, html)
    if json != Path("-"):
        out = console()
        show_adapter(summary(found), found.warnings, found.notes, out)
        show_report(report, out)


@app.command()
def diff(
    first: Annotated[Path, typer.Argument(help="A PEFT adapter folder.")],
    second: Annotated[Path, typer.Argument(help="Another one, or another checkpoint.")],
    side: Annotated[
        SideOption, typer.Option(help="auto: write modules if there are any, else read.")
    ] = SideOption.auto,
    top: Annotated[int, typer.Option(min=1, max=64, help="Leading directions to compare.")] = 8,
    json: JsonOption = None,
) -> None:
    """Principal angles between two adapters, per module and pooled, beside what random subspaces would show."""
    from figures.tables import console, show_adapter, show_difference
    from grasp_theory import diff as compare
    from real_models import read_adapter
    from real_models.describe import provenance, summary
    from synthetic.results import write_json

    a, b = read_adapter(first), read_adapter(second)
    _check_targets(json, inputs=[a.weights, b.weights, a.path / "adapter_config.json", b.path / "adapter_config.json"])
    found = compare(a.updates, b.updates, side=None if side is SideOption.auto else side.value, k=top)
    if json is not None:
        write_json(json, {**found.to_dict(), "first": provenance(a), "second": provenance(b)})
    if json != Path("-"):
        out = console()
        for letter, adapter in (("A", a), ("B", b)):
            show_adapter([(letter, str(adapter.path)), *summary(adapter)[1:]], adapter.warnings, adapter.notes, out)
        show_difference(found, out)


@app.command()
def verify(
    keys: Annotated[list[str] | None, typer.Argument(help="Which statements; all by default.")] = None,
    deep: Annotated[bool, typer.Option("--deep", help="Ten times the draws, larger sizes, longer searches.")] = False,
    explain: Annotated[str | None, typer.Option(help="Show one: proof, assumptions, an instance.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 2,
    json: JsonOption = None,
) -> None:
    """Check every statement of the theory: holds, attained, needed, derived, rate, two routes, mutants.

    Exit code 1 if one fails, with what failed.
    """
    import warnings

    from joblib import Parallel, delayed, parallel_config

    from figures.tables import console, progress
    from figures.verification import show_outcomes, show_statement
    from grasp_theory.checks import find, verify_key
    from grasp_theory.report import SCHEMA_VERSION, plain
    from grasp_theory.theorems import ORDER
    from synthetic.results import write_json

    _check_targets(json)
    out = console()
    if explain is not None:
        show_statement(find([explain])[0], out)
        return
    chosen = [statement.key for statement in find(keys)] if keys else list(ORDER)
    # Importing torch in a worker looks like a memory leak to joblib, which then replaces the worker and says so.
    warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given")
    tasks = (delayed(verify_key)(key, deep=deep) for key in chosen)
    workers = parallel_config("loky", n_jobs=min(jobs, len(chosen)), inner_max_num_threads=1, idle_worker_timeout=3600)
    with workers, progress("verify", out) as track:
        outcomes = list(track(Parallel(return_as="generator")(tasks), len(chosen)))
    if json is not None:
        write_json(json, {"schema_version": SCHEMA_VERSION, "deep": deep, "statements": plain(outcomes)})
    if json != Path("-"):
        show_outcomes(outcomes, out)
    if not all(outcome.stands for outcome in outcomes):
        raise typer.Exit(1)


@app.command()
def figures(
    names: Annotated[list[str] | None, typer.Argument(help="Which figures; all by default.")] = None,
    results: Annotated[Path, typer.Option(help="Folder to write PDF and PNG to; created if missing.")] = Path(
        "results"
    ),
    show: Annotated[bool, typer.Option("--list", help="List the figures and exit.")] = False,
) -> None:
    """Draw the figures again from the committed results."""
    from figures.catalogue import FIGURES, draw
    from grasp_theory import InputError

    if show:
        for name, entry in FIGURES.items():
            typer.echo(f"{name}: {entry.caption}")
        return
    unknown = sorted(set(names or ()) - set(FIGURES))
    if unknown:
        raise InputError(f"no figure is called {', '.join(unknown)}; there are: {', '.join(FIGURES)}")
    _make_folder(results)
    for name in names or FIGURES:
        for path in draw(name, results):
            typer.echo(str(path))


@app.command()
def reproduce(
    results: Annotated[Path, typer.Option(help="Folder for results; created if missing.")] = Path("results"),
    trials: Annotated[int, typer.Option(min=1, help="Adapters drawn for each point.")] = 40,
    jobs: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 2,
) -> None:
    """Verify the statements; plant a direction in an adapter, save it as PEFT does, audit it; measure the verdict."""
    from dataclasses import asdict

    import numpy as np

    from figures.catalogue import draw
    from figures.identify_page import write_results
    from figures.tables import console, progress, show_report
    from grasp_theory import identify as decompose
    from real_models import read_adapter, write_adapter
    from synthetic.low_rank import AdapterSpec, draw_adapter
    from synthetic.results import manifest, write_csv, write_json
    from synthetic.verdict_rates import measure_rates

    _make_folder(results)
    out = console()
    out.print("1/3  the statements of the theory")
    verify(jobs=jobs, json=results / "verify.json")
    spec = AdapterSpec(strength=1.0)
    updates, u = draw_adapter(spec, rng=np.random.default_rng(0))
    folder = results / "planted-adapter"
    write_adapter(folder, updates, r=spec.rank, lora_alpha=spec.rank, base_model_name="synthetic")
    out.print(f"2/3  one direction planted in {spec.layers} layers, saved as a PEFT adapter in {folder}, and audited:")
    adapter = read_adapter(folder)
    report = decompose(adapter.updates)
    write_results(adapter, report, results / "planted.json", results / "planted.html")
    show_report(report, out)
    cosine = abs(float(u @ report.component(0).subspace.basis[:, 0]))
    out.print(f"     |cos| of component 0 with the planted direction: {cosine:.4f}")
    out.print(f"3/3  how often the verdict fires, {trials} adapters a point")
    with progress("verdict rates", out) as track:
        rates = [asdict(rate) for rate in measure_rates(trials, n_jobs=jobs, progress=track)]
    write_csv(results / "verdict_rates.csv", rates)
    write_json(results / "manifest.json", manifest({"trials": trials, "planted": asdict(spec), "seed": 0}))
    for path in draw("verdict-rates", results, data=results):
        out.print(f"     {path}")


def _make_folder(path: Path) -> None:
    from grasp_theory import InputError

    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot create the folder {path}: {error.strerror or error}") from error


def _trajectory(folder: Path, checkpoints: list[tuple[int, Path]], side: SideOption, json: Path | None) -> None:
    from dataclasses import asdict

    from figures.tables import console, show_trajectory
    from grasp_theory import trajectory
    from grasp_theory.report import SCHEMA_VERSION
    from real_models import read_adapter
    from synthetic.results import write_json

    adapters = [(step, read_adapter(path)) for step, path in checkpoints]
    rows = trajectory([(step, a.updates) for step, a in adapters], side=None if side is SideOption.auto else side.value)
    if json is not None:
        value = {"schema_version": SCHEMA_VERSION, "folder": str(folder), "checkpoints": [asdict(r) for r in rows]}
        write_json(json, value)
    if json != Path("-"):
        out = console()
        last = shlex.quote(str(checkpoints[-1][1]))
        out.print(f"{folder}: {len(checkpoints)} checkpoints; `grasp identify {last}` audits the last one")
        show_trajectory(rows, out)


def _check_targets(*targets: Path | None, inputs: Sequence[Path] = ()) -> None:
    """Refuse what cannot be written before the work, not after it; "-" is standard output."""
    from synthetic.results import check_targets

    check_targets([path for path in targets if path != Path("-")], inputs)


def main(arguments: list[str] | None = None) -> None:
    """Entry point of ``grasp``: errors of the toolkit become one line and exit code 2."""
    sys.exit(run(app, arguments))


def run(command: Callable[..., Any], arguments: list[str] | None = None) -> int:
    """Exit code of one run."""
    from grasp_theory.errors import GraspError

    try:
        code = command(args=arguments, standalone_mode=False) or 0
        return _interrupted() if code == 130 else code  # newer versions of typer turn Ctrl-C into this code
    except GraspError as error:
        return _fail(str(error))
    except USAGE_ERROR as error:
        return _fail(f"{error.format_message()} (see `{error.ctx.command_path if error.ctx else 'grasp'} --help`)")
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted()
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (OSError, UnicodeEncodeError) as error:  # of the output: inputs are checked where they are read
        return _fail(f"cannot write the output: {error}")
    except MemoryError:
        return _fail("out of memory: the adapter is larger than this machine can hold at once")


def _interrupted() -> int:
    print("interrupted; nothing was left half-written", file=sys.stderr)
    return 130


def _fail(message: str) -> int:
    print("error: " + " ".join(message.split()), file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
