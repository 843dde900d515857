"""The HTML page of ``grasp identify --html``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from real_models.audit.describe import different_bases, provenance, summary
from synthetic.runner.results import write_atomically, write_json

from ..plots.adapter_map import adapter_map
from ..plots.identification import SHOWN, alignment, spectrum
from ..tables.against import against_blocks
from ..tables.identify import beyond_start, component_blocks, module_blocks, reasons, trajectory_blocks
from .html import Picture, page, picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grasp_theory import Report
    from grasp_theory.identification.trajectory import Checkpoint
    from real_models import Adapter
    from real_models.audit.against import Against
    from real_models.audit.finding import Finding


MAP = (
    "Every adapted module by depth and kind. Colour: root mean square entry of dW; cross: no update. Dot: stable rank "
    "over rank, full size where all of it is used. Frame: leading direction shared with other layers. Bars: share of "
    "‖dW‖²."
)
AGREEMENT = "Squared cosine between the leading directions of two modules: 1 the same direction, 0 orthogonal."


def identify_page(
    adapter: Adapter,
    report: Report,
    found: Sequence[Finding],
    *,
    activations: Report | None = None,
    trajectory: Sequence[Checkpoint] | None = None,
    against: Against | None = None,
) -> str:
    """A self-contained page of one report: what the weights show, its pictures and tables, how it was decided.

    Args:
        found: what the weights show, which opens the page.
        activations: the report of dW X, if it was made.
        trajectory: checkpoints of the run, if there are any.
        against: the controls, if it was compared with any.
    """
    result = report.to_dict()
    controls = () if against is None else against.controls
    shared = {name for f in found if f.key == "shared-direction" for name in f.modules}
    whole = picture(
        adapter_map(result["modules"], shared), alt="Map of the adapter: modules by depth and kind", caption=MAP
    )
    name = Path(adapter.path).name
    asked = [
        ("side", report.side),
        *(("control", str(control.path)) for control in controls),
        ("sha256", adapter.sha256),
    ]
    return page(
        "identify.html",
        title=f"Identification: {name}",
        configuration=[*summary(adapter), *asked],
        verdict=report.verdict,
        reasons=reasons(report),
        warnings=[*adapter.warnings, *(w for control in controls for w in different_bases(adapter, control))],
        findings=found,
        map=whole,
        beside=[] if against is None else against_blocks(against, explain=True),
        components=list(component_blocks(report, most=None)),
        spectra=_spectra(result),
        agreement=_agreement(result),
        activations=[] if activations is None else list(component_blocks(activations, most=None)),
        trajectory=[] if trajectory is None else list(trajectory_blocks(trajectory)),
        modules=list(module_blocks(report.modules, most=None)),
        rule=report.rule,
        caveat=report.caveat,
        remarks=[
            *(f"A, width {read.width}: {beyond_start(read)}." for read in report.read_start),
            *adapter.notes,
            *report.notes,
        ],
    )


def _spectra(result: dict[str, Any]) -> Picture | None:
    of = len(result["decompositions"])
    if not of:
        return None
    which = "" if of <= SHOWN else f" of the {SHOWN} largest of {of} modules"
    caption = f"Singular values{which}. Filled: stands out by the rule below; dashed: what noise alone would reach."
    return picture(spectrum(result), alt=f"Singular values{which} as stems", caption=caption)


def _agreement(result: dict[str, Any]) -> Picture | None:
    matrix = alignment(result)
    alt = "Heat map of the agreement between the leading directions of all pairs of modules"
    return None if matrix is None else picture(matrix, alt=alt, caption=AGREEMENT)


def write_results(
    adapter: Adapter,
    report: Report,
    found: Sequence[Finding],
    json: Path | None,
    html: Path | None,
    *,
    activations: Report | None = None,
    trajectory: Sequence[Checkpoint] | None = None,
    against: Against | None = None,
) -> None:
    """The files of an identification; to be called before anything is printed, so that a closed pipe loses none."""
    if json is not None:
        beside = {} if activations is None else {"activation_svd": activations.to_dict()}
        beside |= {} if trajectory is None else {"trajectory": [asdict(c) for c in trajectory]}
        beside |= {} if against is None else {"against": against.to_dict()}
        said = {"findings": [asdict(f) for f in found]}
        write_json(json, {**said, **report.to_dict(), **beside, "adapter": provenance(adapter)})
    if html is not None:
        made = identify_page(adapter, report, found, activations=activations, trajectory=trajectory, against=against)
        write_atomically(html, made)
