"""Many adapters at once: what each shows, which stand apart, the overlap of all pairs; a broken one is a row too."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from grasp_theory import AdapterError, GraspError, InputError, identify
from grasp_theory.identification.matrix import Leading, OverlapMatrix, leading, overlaps
from grasp_theory.updates import AskedSide, Side, Update, on_side, require_options, resolve_side
from synthetic.runner.code_version import code_version
from synthetic.runner.results import write_atomically
from synthetic.runner.store import Store, digest
from synthetic.runner.workers import in_workers_or_cluster

from ..adapters import Adapter, read_adapter
from ..adapters.folder import find_runs
from ..adapters.safetensors_file import SafetensorsFile
from ..adapters.text import printable
from .difference import matrix_findings
from .finding import Finding
from .findings import findings
from .measurements import measurements
from .robust import OUTLIER, robust_spread

Progress = Callable[[Iterable[Any], int], Iterator[Any]]
FILES = (".json", ".safetensors", ".bin")  # what an adapter is read from
FEW = 100.0  # over their number: what is asked for beyond OUTLIER where there are few
ENOUGH = 5  # adapters of one base, below which none is called an outlier
UNREAD = "not read"  # state of an adapter that could not be read


@dataclass(frozen=True)
class Surveyed:
    """One adapter of a survey.

    Attributes:
        name: its folder, below the one that was surveyed.
        error: why it could not be read; all else is then empty.
        group: base model and side, within which adapters are compared.
        numbers: of :func:`~real_models.audit.measurements.measurements`, by key.
        labels: what these numbers are, and ``sizes`` which of them are compared in logarithms.
        findings: of :func:`~real_models.audit.findings.findings`.
    """

    name: str
    error: str | None = None
    base: str | None = None
    side: Side | None = None
    modules: int = 0
    ranks: tuple[int, ...] = ()
    verdict: str | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    sizes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def group(self) -> str:
        return f"{self.base or 'base not named'}, {self.side} side"

    @property
    def state(self) -> str:
        """The most basic finding, or :data:`UNREAD`."""
        return UNREAD if self.error else self.findings[0].key if self.findings else "–"


@dataclass(frozen=True)
class Outlier:
    """A number of an adapter that lies apart from the other adapters of its base.

    Attributes:
        z: (x − median)/(1.4826 median |x − median|) over the group, of the logarithm for a size.
    """

    name: str
    key: str
    label: str
    value: float
    median: float
    z: float


@dataclass(frozen=True)
class Survey:
    """What was found in a folder.

    Attributes:
        rows: one for each adapter, in natural order.
        outliers: numbers that lie apart (:func:`outliers`), the furthest first.
        groups: base model and side -> overlap of all pairs in it; groups of one adapter are left out.
        said: what stands out in each group's pairs.
        reused: how many adapters were there already.
    """

    folder: Path
    rows: tuple[Surveyed, ...]
    outliers: tuple[Outlier, ...]
    groups: Mapping[str, OverlapMatrix]
    said: Mapping[str, tuple[Finding, ...]]
    reused: int

    @property
    def broken(self) -> list[Surveyed]:
        return [row for row in self.rows if row.error]

    def nearest(self) -> dict[str, tuple[str, float, float, float]]:
        """Adapter -> (the one it overlaps most with, overlap, its mean by chance, its spread by chance)."""
        found = {}
        for matrix in self.groups.values():
            others = matrix.overlap.copy()
            np.fill_diagonal(others, np.nan)
            for i, name in enumerate(matrix.names):
                if np.isfinite(others[i]).any():
                    j = int(np.nanargmax(others[i]))
                    chance = float(matrix.random[i, j]), float(matrix.spread[i, j])
                    found[name] = (matrix.names[j], float(others[i, j]), *chance)
        return found


def survey(
    folder: str | Path,
    store: str | Path,
    *,
    side: AskedSide = "auto",
    top: int = 8,
    n_jobs: int = 2,
    dask: str | None = None,
    progress: Progress | None = None,
) -> Survey:
    """Findings of every adapter below ``folder``, outliers, and the overlap of all pairs of one base and side.

    Adapters are read, identified and decomposed by workers with one BLAS thread each; of a run with checkpoints the
    final adapter or else the last checkpoint. Each is one result in ``store``, written whole when it is done, and read
    again while place, size and times of its files, ``side``, ``top`` and the code are the same: a run that was killed
    goes on where it was, and an adapter that changed is read anew, also where an archive gave it its old time back.
    Whatever is wrong with an adapter becomes its row's ``error``, and it is tried again next time.

    Args:
        side: "auto": of each adapter the write side if it has modules that write the stream, else the read side.
        top: leading directions that are compared, of each module.
        dask: address of a Dask scheduler, whose workers see ``folder``; local processes otherwise.
        progress: wraps the stream of adapters, as in :func:`synthetic.runner.sweep.sweep`, then that of modules.

    Raises InputError if there is no adapter below ``folder``. Cost: an identification an adapter, then
    :func:`~grasp_theory.identification.matrix.overlaps`; memory: one module of all adapters.
    """
    require_options(side, top)
    top_folder = Path(folder)
    places = find_runs(top_folder, whole=False)
    if not places:
        raise InputError(f"there is no adapter in {folder} or below: expected folders with adapter_config.json")
    names = [_name(place, top_folder) for place in places]
    kept = Store(Path(store))
    code = code_version(__name__)
    heads = [_head(name, place, side, top, code) for name, place in zip(names, places, strict=True)]
    files = [kept.folder / f"{_key(head)}.safetensors" for head in heads]
    found = kept.read([(f"{_key(head)}.json", head) for head in heads], _parse)
    found = [row if _whole(file) else None for row, file in zip(found, files, strict=True)]
    missing = [n for n, row in enumerate(found) if row is None]
    calls = [(names[n], places[n], side, top) for n in missing]
    stream = in_workers_or_cluster(look_at, calls, n_jobs=n_jobs, dask=dask)
    for n, (row, data) in zip(missing, progress(stream, len(missing)) if progress else stream, strict=True):
        if not row.error:  # what was wrong may be mended without a trace on the files
            write_atomically(files[n], data, durable=False)  # first: the row says that all is there
            kept.write(f"{_key(heads[n])}.json", heads[n], asdict(row))
        found[n] = row
    rows = tuple(row for row in found if row is not None)
    groups = _overlaps(rows, dict(zip(names, files, strict=True)), top, progress)
    said = {group: tuple(matrix_findings(matrix)) for group, matrix in groups.items()}
    return Survey(top_folder, rows, tuple(outliers(rows)), groups, said, len(rows) - len(missing))


def look_at(name: str, place: Path, side: AskedSide, top: int) -> tuple[Surveyed, bytes]:
    """(the row, the leading directions as a file) of one adapter: all that a worker does."""
    with threadpool_limits(1):
        try:
            row, data = _row(name, read_adapter(place), side, top)
            json.dumps(asdict(row), allow_nan=False)
            return row, data
        except Exception as error:  # a survey ends for no file's sake, whatever is in it
            kind = "" if isinstance(error, GraspError) else f"{type(error).__name__}: "
            return Surveyed(name, error=printable(f"{kind}{error}")), b""


def _row(name: str, adapter: Adapter, side: AskedSide, top: int) -> tuple[Surveyed, bytes]:
    report = identify(adapter.updates)
    numbers = measurements(report)
    chosen = resolve_side(adapter.updates, side)
    row = Surveyed(
        name,
        base=adapter.config.base_model_name,
        side=chosen,
        modules=len(adapter.updates),
        ranks=tuple(sorted({u.rank for u in adapter.updates})),
        verdict=report.verdict,
        numbers={m.key: m.value for m in numbers},
        labels={m.key: m.label for m in numbers},
        sizes=tuple(m.key for m in numbers if m.log),
        findings=tuple(findings(adapter, report)),
        warnings=adapter.warnings,
    )
    return row, pack(on_side(adapter.updates, chosen), chosen, top)


def outliers(rows: Sequence[Surveyed]) -> list[Outlier]:
    """Numbers that lie apart in their group of n: robust z of at least ``OUTLIER`` + ``FEW``/n, the furthest first.

    Law: z = (x − median)/(1.4826 median |x − median|), whose own spread is known the less the fewer there are: of
    normal numbers one of the n lies as far in 0.6% of groups of five, in 0.2% and less of larger ones (simulated).
    Groups of fewer than ``ENOUGH`` have none, nor has a number that half of the group agrees in to rounding.
    """
    out = []
    for members in _grouped(rows).values():
        for key in dict.fromkeys(key for row in members for key in row.numbers):
            having = [row for row in members if key in row.numbers]
            log = all(key in row.sizes and row.numbers[key] > 0 for row in having)
            values = np.array([row.numbers[key] for row in having])
            x = np.log(values) if log else values
            middle = float(np.median(x))
            spread = robust_spread(x)
            if len(having) < ENOUGH or spread <= 1e-9 * max(1.0, abs(middle)):
                continue
            for row, value, z in zip(having, values, (x - middle) / spread, strict=True):
                if abs(z) >= OUTLIER + FEW / len(having):
                    typical = float(np.median(values))
                    out.append(Outlier(row.name, key, row.labels[key], float(value), typical, float(z)))
    return sorted(out, key=lambda o: -abs(o.z))


def _grouped(rows: Iterable[Surveyed]) -> dict[str, list[Surveyed]]:
    groups: dict[str, list[Surveyed]] = {}
    for row in rows:
        if not row.error:
            groups.setdefault(row.group, []).append(row)
    return groups


def states(rows: Iterable[Surveyed]) -> list[tuple[str, int]]:
    """How many adapters are in which state, the most frequent first."""
    return Counter(row.state for row in rows).most_common()


def pack(updates: Sequence[Update], side: Side, top: int) -> bytes:
    """The leading directions of an adapter as a safetensors file: vectors in float32, singular values in float64."""
    from safetensors.numpy import save

    parts: dict[str, np.ndarray] = {}
    about = []
    for index, update in enumerate(updates):
        one = leading(update, side=side, top=top)
        parts[f"{index}.U"], parts[f"{index}.S"] = np.ascontiguousarray(one.U, np.float32), one.S.astype(np.float64)
        if one.start is not None:
            parts[f"{index}.start"] = one.start.astype(np.float32)
        about.append({"name": update.name, "shape": one.shape, "norm": one.norm, "start_kind": one.start_kind})
    return save(parts, {"modules": json.dumps(about)})


def unpack(path: Path) -> dict[str, Callable[[], Leading]]:
    """Module -> what loads its directions, of a file that :func:`pack` made; its header is read now."""
    file = SafetensorsFile.open(path)
    return {
        about["name"]: partial(_load, file, n, about) for n, about in enumerate(json.loads(file.metadata["modules"]))
    }


def _load(file: SafetensorsFile, index: int, about: Mapping[str, Any]) -> Leading:
    start = file.read(f"{index}.start") if f"{index}.start" in file.tensors else None
    shape: tuple[int, int] = tuple(about["shape"])  # pyright: ignore[reportAssignmentType]
    return Leading(shape, file.read(f"{index}.U"), file.read(f"{index}.S"), about["norm"], start, about["start_kind"])


def _overlaps(
    rows: Sequence[Surveyed], files: Mapping[str, Path], top: int, progress: Progress | None
) -> dict[str, OverlapMatrix]:
    out = {}
    for group, members in _grouped(rows).items():
        tables = {row.name: unpack(files[row.name]) for row in members}
        shared = Counter(module for table in tables.values() for module in table)
        side = members[0].side
        if side is not None and max(shared.values(), default=0) > 1:
            try:
                out[group] = overlaps(tables, side=side, top=top, progress=progress)
            except InputError:  # every common module is 0 in one of two, or of another shape
                continue
    return out


def _whole(path: Path) -> bool:
    try:
        unpack(path)
    except (AdapterError, KeyError, ValueError):  # not there, or damaged
        return False
    return True


def _name(place: Path, folder: Path) -> str:
    return printable(place.name if place == folder else place.relative_to(folder).as_posix())


def _head(name: str, place: Path, side: AskedSide, top: int, code: str) -> dict[str, Any]:
    files = []
    with suppress(OSError):  # what is wrong with the folder is said by who reads it
        for path in sorted(p for p in place.iterdir() if p.suffix in FILES):
            about = path.stat()
            files.append([path.name, about.st_size, about.st_mtime_ns, about.st_ctime_ns])
    return {"adapter": name, "place": str(place.resolve()), "files": files, "side": side, "top": top, "code": code}


def _key(head: Mapping[str, Any]) -> str:
    """Of what an adapter's result depends on, but for the code, which the store looks at."""
    return digest({key: value for key, value in head.items() if key != "code"})[:20]


def _parse(values: dict[str, Any]) -> Surveyed:
    found = tuple(Finding(**{**f, "modules": tuple(f["modules"])}) for f in values.pop("findings"))
    lists = {key: tuple(values.pop(key)) for key in ("ranks", "sizes", "warnings")}
    return Surveyed(findings=found, **lists, **values)
