"""The HTML page of ``grasp identify --html``."""

from __future__ import annotations

import io
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from real_models.audit.describe import different_bases, provenance, summary
from synthetic.runner.results import write_atomically, write_json

from ..plots.adapter_map import adapter_map
from ..plots.identification import SHOWN, alignment, spectrum
from ..tables.against import against_blocks
from ..tables.identify import beyond_start, reasons, show_components, show_trajectory
from ..tables.table import Block
from .html import blocks, facts, findings_part, heading, page, paragraph, picture, preformatted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grasp_theory import Report
    from grasp_theory.identification.trajectory import Checkpoint
    from real_models import Adapter
    from real_models.audit.against import Against
    from real_models.audit.findings import Finding


MAP = (
    "Every adapted module by depth and kind. Colour: root mean square entry of dW; cross: no update. Dot: stable rank "
    "over rank, full size where all of it is used. Frame: leading direction shared with other layers. Bars: share of "
    "‖dW‖²."
)


def identify_page(
    result: dict[str, Any],
    text: str,
    about: Sequence[tuple[str, str]],
    found: Sequence[Finding],
    remarks: Sequence[str],
    *,
    beside: Sequence[Block] = (),
) -> str:
    """A self-contained page of one report: ``result`` its JSON form, ``text`` its tables, ``about`` the adapter.

    Args:
        found: what the weights show, which opens the page.
        remarks: what is said beside the verdict: warnings, reasons.
        beside: what is said of control runs.
    """
    shared = {name for f in found if f.key == "shared-direction" for name in f.modules}
    parts = [facts(about), heading("Findings"), findings_part(found)]
    parts += [picture(adapter_map(result["modules"], shared), MAP)]
    parts += [heading("Beside the controls"), *blocks(beside)] if beside else []
    parts += [heading("Verdict")]
    parts += [paragraph(f"Verdict: {result['verdict']}.", kind="verdict"), paragraph(result["rule"])]
    parts += [paragraph(result["caveat"]), *(paragraph(remark) for remark in remarks)]
    if result["decompositions"]:
        shown, of = min(SHOWN, len(result["decompositions"])), len(result["decompositions"])
        which = "" if shown == of else f" of the {shown} largest of {of} modules"
        caption = f"Singular values{which}. Filled: stands out by the rule above; dashed: what noise alone would reach."
        parts += [heading("Spectra"), picture(spectrum(result), caption)]
        matrix = alignment(result)
        if matrix is not None:
            caption = (
                "Squared cosine between the leading directions of two modules: 1 the same direction, 0 orthogonal."
            )
            parts += [heading("Agreement between layers"), picture(matrix, caption)]
    parts += [heading("Tables"), preformatted(text), heading("Notes")]
    name = Path(dict(about).get("adapter", "")).name
    return page(f"Identification: {name}", parts + [paragraph(n) for n in result["notes"]])


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
        out = Console(file=io.StringIO(), width=150, no_color=True, markup=False, emoji=False, record=True)
        show_components(report, out)
        if activations is not None:
            show_components(activations, out)
        if trajectory is not None:
            show_trajectory(trajectory, out)
        remarks = [
            *(f"Warning: {w}" for w in adapter.warnings),
            *reasons(report.decompositions),
            *(f"A, width {read.width}: {beyond_start(read)}." for read in report.read_start),
            *adapter.notes,
        ]
        controls = () if against is None else against.controls
        remarks += [f"Warning: {w}" for control in controls for w in different_bases(adapter, control)]
        about = [*summary(adapter), *(("control", str(control.path)) for control in controls)]
        beside = [] if against is None else against_blocks(against, explain=True)
        page = identify_page(report.to_dict(), out.export_text(), about, found, remarks, beside=beside)
        write_atomically(html, page.encode())
