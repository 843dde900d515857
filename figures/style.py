"""One look for every figure: venue widths, embedded fonts, a palette that colour-blind readers can tell apart."""

from __future__ import annotations

import functools
import io
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
    "text.parse_math": False,  # module names may hold $
}


def styled(build: F) -> F:
    """A drawing function that works under this style and leaves matplotlib's settings as they were."""

    @functools.wraps(build)
    def inside(*args: Any, **kwargs: Any) -> Any:
        import matplotlib

        with matplotlib.rc_context(RC):  # pyright: ignore[reportArgumentType]
            return build(*args, **kwargs)

    return cast("F", inside)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of this size in inches, free of pyplot's global state."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height))


@styled
def render(figure: Figure, kind: str = "png") -> bytes:
    """The figure as PNG (200 dpi) or PDF bytes, the same bytes for the same figure (no date in the file)."""
    buffer = io.BytesIO()
    metadata = {"CreationDate": None} if kind == "pdf" else {"Software": None}
    figure.savefig(buffer, format=kind, dpi=200, metadata=metadata)
    return buffer.getvalue()
