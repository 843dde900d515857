"""One look for every figure: venue widths, embedded fonts, a palette that colour-blind readers can tell apart."""

from __future__ import annotations

import functools
import io
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from matplotlib.figure import Figure

F = TypeVar("F", bound=Callable[..., Any])

COLUMN = 3.35  # inches, one column of a two-column page
PAGE = 6.9
# Okabe and Ito 2008
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#777777",
)

# of Tol's qualitative schemes, which go with them
INDIGO, PINE, TEAL, SAND, WINE, OLIVE, BROWN = (
    "#332288",
    "#117733",
    "#44AA99",
    "#DDCC77",
    "#882255",
    "#999933",
    "#661100",
)

# On top of matplotlib's own defaults: a user's matplotlibrc and style sheets (LaTeX, fonts, sizes) do not show.
RC = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "figure.constrained_layout.use": True,
    "pdf.fonttype": 42,
    "svg.hashsalt": "grasp",  # names of clip paths and markers, else drawn at random
    "text.parse_math": False,  # module names may hold $
}

PROCESS = ("backend", "backend_fallback", "interactive", "toolbar")


def _matplotlib() -> Any:
    """The package, also where MPLBACKEND or the user's matplotlibrc is such that it refuses to be imported."""
    try:
        import matplotlib
    except ValueError:
        kept = {name: os.environ.get(name) for name in ("MPLBACKEND", "MATPLOTLIBRC")}
        os.environ |= {"MPLBACKEND": "agg", "MATPLOTLIBRC": os.devnull}
        for name in [name for name in sys.modules if name.startswith("matplotlib.")]:
            del sys.modules[name]  # what the attempt left half-made
        try:
            import matplotlib
        finally:
            for name, value in kept.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
    return matplotlib


def styled(build: F) -> F:
    """A drawing function that works under this style and leaves matplotlib's settings as they were."""

    @functools.wraps(build)
    def inside(*args: Any, **kwargs: Any) -> Any:
        matplotlib = _matplotlib()
        # The backend belongs to the process, and to read it would choose one; figures here never go through it.
        settings = {k: v for k, v in matplotlib.rcParamsDefault.items() if k not in PROCESS}
        with matplotlib.rc_context(settings | RC):  # pyright: ignore[reportArgumentType, reportOperatorIssue]
            return build(*args, **kwargs)

    return cast("F", inside)


@styled
def new_figure(width: float, height: float) -> Figure:
    """An empty figure of this size in inches, free of pyplot's global state."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height))


@styled
def render(figure: Figure, kind: str = "png") -> bytes:
    """The figure as PNG (200 dpi), PDF or SVG bytes, the same bytes for the same figure (no date in the file)."""
    buffer = io.BytesIO()
    metadata = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(kind, {"Software": None})
    figure.savefig(buffer, format=kind, dpi=200, metadata=metadata)
    return buffer.getvalue()
