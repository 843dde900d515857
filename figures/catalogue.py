"""The figures by name: which experiments their numbers come from, who draws them, what they show."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grasp_theory import InputError
from synthetic.runner.results import write_atomically, write_csv
from synthetic.runner.sweep import Sweep, sweep

from .rows import FOLDER, read_rows
from .style import render

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Entry:
    """A figure: its caption, and the modules of the experiments (``EXPERIMENT``) that its rows come from.

    experiments : of the linear lab. organisms : on persona organisms, swept only when named: each organism is
    pretrained first, and trained models do not repeat to the last digits on other machines.
    """

    caption: str
    experiments: tuple[str, ...] = ()
    organisms: tuple[str, ...] = ()


FIGURES = {
    "verdict-rates": Entry("Hits and false alarms of the verdict of identify."),
    "phase-diagram": Entry(
        "Squared overlap of the top singular vectors with a planted factor, against its strength and the aspect ratio.",
        ("synthetic.experiments.phase_diagram",),
    ),
    "worst-case": Entry(
        "Worst-case tasks attain the minimax angle and lose the factor beyond tau = beta/2; random tasks hide it far "
        "less, complex ones least.",
        ("synthetic.experiments.worst_case",),
    ),
    "pooling": Entry(
        "Stacking L layers lowers the strength each needs as L^(-1/4), whatever the profile; adding layers, or tasks "
        "that share a direction, gain nothing.",
        ("synthetic.experiments.pooling",),
    ),
    "samples": Entry(
        "The factor shows in the outputs dW X with fewer samples than in the weights dW; low-rank fits recover the "
        "difference.",
        ("synthetic.experiments.samples",),
    ),
    "training-time": Entry(
        "Low-rank LoRA shows the write direction first; the read direction stays within A0's rows (r/d) until A turns.",
        ("synthetic.experiments.training_time",),
    ),
    "tail": Entry(
        "With a low-rank task the factor sits at its place by strength; deleting the top component helps only when the "
        "factor is stronger than the task.",
        ("synthetic.experiments.tail",),
    ),
    "optimizer-leak": Entry(
        "Projecting parameters protects exactly; projecting gradients leaks under Adam on the write side, always on "
        "the read side, and in peft's OSF.",
        ("synthetic.experiments.optimizer_leak", "real_models.experiments.osf_leak"),
    ),
    "removal": Entry(
        "Excess risk of every removal method, trained, on the closed forms: against pretrained response, correlation, "
        "strength, rank, angle error and output metric.",
        ("synthetic.experiments.removal",),
    ),
    "who-wins": Entry(
        "Measured winner under the theory's borders; naive fine-tuning wins where the task outweighs the factor; read "
        "GRASP wins only under a shift.",
        ("synthetic.experiments.who_wins",),
    ),
    "curation": Entry(
        "Factor induced by four ways of curating, and overlap of the fine-tune's top singular vector with it, against "
        "how strongly they select; control: independent trait.",
        ("synthetic.experiments.curation",),
    ),
    "rerouting": Entry(
        "Deep nets re-learn a shortcut projected out of weights, not one unseen at the stream or compensated.",
        ("synthetic.experiments.rerouting",),
    ),
    "comparison": Entry(
        "Persona organisms: drift along training, and where each method first reaches a task score of 0.95."
    ),
    "comparison-fronts": Entry(
        "Persona organisms: the least drift among methods of each information class, over the task score asked for; "
        "the best is chosen on the seeds shown."
    ),
    "identification-run": Entry(
        "Along naive runs of organisms: component 0 against the trait's direction in every block, and drift and task "
        "after deleting one component; control: no trait in the data.",
        organisms=("real_models.experiments.identification",),
    ),
    "compensation": Entry(
        "Drift against the strength of compensation; below, its log-odds at a fixed step and log(1 + t e^(−a)), t from "
        "the naive run and a measured before training.",
        organisms=("real_models.experiments.compensation",),
    ),
    "coupling": Entry(
        "Share of the naive drift's log-odds that comes back under each method, against what rerouting-share says of "
        "the loss metric H at the last block.",
        organisms=("real_models.experiments.coupling",),
    ),
    "organism-map": Entry(
        "Least excess drift at matched task score over two knobs of the organism. The linear map is not drawn: by "
        "drift at equal task all its write-side methods stand at 0.",
        organisms=("real_models.experiments.organism_map",),
    ),
}


def csv_name(name: str) -> str:
    """The file with the numbers of a figure."""
    return f"{name.replace('-', '_')}.csv"


def builder(name: str) -> Callable[[Sequence[dict[str, Any]]], Figure]:
    """The drawing function of a figure, ``build(rows)`` in its module of this package, imported when asked for."""
    return import_module(f"{__package__}.{name.replace('-', '_')}").build


def chosen(names: Sequence[str] | None = None) -> list[str]:
    """The names, or all; InputError names the unknown ones and those there are."""
    unknown = sorted(set(names or ()) - set(FIGURES))
    if unknown:
        raise InputError(f"no figure is called {', '.join(unknown)}; there are: {', '.join(FIGURES)}")
    return list(names or FIGURES)


def experiments(names: Sequence[str] | None = None) -> list[str]:
    """The same for the figures that are swept by experiments; all are those of the linear lab."""
    swept = [name for name, entry in FIGURES.items() if entry.experiments or entry.organisms]
    unknown = sorted(set(names or ()) - set(swept))
    if unknown:
        raise InputError(f"no experiment is called {', '.join(unknown)}; there are: {', '.join(swept)}")
    return list(names or (name for name in swept if FIGURES[name].experiments))


def run_experiment(name: str, results: Path, **options: Any) -> list[Sweep]:
    """Sweep what a figure is made of, write its CSV; ``options`` are those of :func:`~synthetic.runner.sweep.sweep`."""
    done = []
    entry = FIGURES[name]
    for module in entry.experiments + entry.organisms:
        done.append(sweep(module, results / "sweeps" / module.rpartition(".")[2], **options))
    write_csv(results / csv_name(name), [row for s in done for row in s.rows])
    return done


def draw(name: str, folder: Path, *, data: Path | None = None) -> list[Path]:
    """Write FIGURE.pdf, FIGURE.png and the CSV they show into ``folder``; the paths written.

    data : where the CSV is; the committed ones by default. InputError if it is not there, or not of this figure.
    """
    source = (data or FOLDER) / csv_name(name)
    try:
        content = source.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {source}: {error.strerror}; `grasp sweep {name}` measures it") from error
    try:
        rows = read_rows(source)
        if not rows:
            raise ValueError("no row")
        figure = builder(name)(rows)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, StopIteration, csv.Error) as error:
        if data is None:
            raise
        raise InputError(f"{source} does not hold the table of {name} ({type(error).__name__}: {error})") from error
    stem = name.replace("-", "_")
    paths = [write_atomically(folder / f"{stem}.{kind}", render(figure, kind)) for kind in ("pdf", "png")]
    target = folder / source.name
    return [*paths, target if target.resolve() == source.resolve() else write_atomically(target, content)]
