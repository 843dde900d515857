"""What the tests of experiments share: measured rows, the heights that a figure draws, measuring without the theory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pytest

from synthetic.experiment import Experiment, generators, table
from synthetic.runner.deviation import deviation


def measured(experiment: Experiment[Any], cell: Any, trials: int) -> dict[str, np.ndarray]:
    return dict(experiment.measure(cell, generators(experiment.name, cell, trials)))


def rows(experiment: Experiment[Any], cells: Iterable[Any], trials: int) -> list[dict[str, Any]]:
    """The table of these cells."""
    return [row for cell in cells for row in table(experiment, cell, measured(experiment, cell, trials))]


def agreeing(experiment: Experiment[Any], cells: Iterable[Any], trials: int, compared: int) -> list[dict[str, Any]]:
    """The table of these cells, in which so many rows have a law, and none lies off it."""
    found = rows(experiment, cells, trials)
    held = deviation(found)
    assert (held.violations, held.compared) == (0, compared), held
    return found


def trials_do_not_depend_on_each_other(experiment: Experiment[Any], cell: Any, few: int, many: int) -> None:
    first, longer = (measured(experiment, cell, n) for n in (few, many))
    for name, values in first.items():
        np.testing.assert_array_equal(values, longer[name][:few])


def means(found: Iterable[dict[str, Any]]) -> set[float]:
    """Of rows, to nine digits."""
    return {round(row["mean"], 9) for row in found}


def drawn(figure: Any) -> set[float]:
    """The heights of all lines, to nine digits."""
    return {round(float(y), 9) for axis in figure.axes for line in axis.lines for y in np.ravel(line.get_ydata())}


def measures_without_theory(
    monkeypatch: pytest.MonkeyPatch,
    experiment: Experiment[Any],
    cells: Sequence[Any],
    gone: Iterable[tuple[Any, str]],
    *,
    asks: Callable[[Any], bool] = lambda cell: True,
) -> None:
    """The same bits where ``gone``, functions by their modules, are no more; the theory misses them: the control.

    asks : whether the theory of a cell calls one of them.
    """
    before = [measured(experiment, cell, 2) for cell in cells]

    def forbidden(*_: Any, **__: Any) -> Any:
        raise RuntimeError("the theory was asked")

    for owner, name in gone:
        monkeypatch.setattr(owner, name, forbidden)
    for cell, old in zip(cells, before, strict=True):
        if asks(cell):
            with pytest.raises(RuntimeError, match="the theory was asked"):
                experiment.theory(cell)
        for name, values in measured(experiment, cell, 2).items():
            np.testing.assert_array_equal(values, old[name], err_msg=name)
