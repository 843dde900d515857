"""Figures: drawn from rows alone, fonts embedded, what they claim to show is there."""

from __future__ import annotations

from dataclasses import asdict
from typing import get_args

import numpy as np
import pytest
from planted import drawn

from figures.catalogue import FIGURES, builder, csv_name, draw
from figures.drawing import METHODS, OTHER, look
from figures.plots import Section
from figures.plots.adapter_map import adapter_map
from figures.plots.identification import alignment, kind, spectrum
from figures.plots.language_identification import FOUND
from figures.rows import FOLDER, read_rows
from figures.style import new_figure, render
from figures.tables.comparison import short_table
from grasp_theory import InputError, identify
from real_models.comparison.table import summarise
from synthetic.experiment import table
from synthetic.runner.sweep import load

UNTITLED = ("optimizer-leak", "removal", "curation", "comparison")  # the first row's titles stand for their columns


@pytest.fixture(scope="module")
def result():
    return identify(drawn(layers=4, width=64, inputs=48, strength=2.0)[0]).to_dict()


@pytest.mark.slow
@pytest.mark.parametrize("name", FIGURES)
def test_catalogue_figures_draw_with_embedded_fonts(name):
    figure = builder(name)(read_rows(FOLDER / csv_name(name)))
    pdf = render(figure, "pdf")
    assert b"/Type3" not in pdf
    assert b"/CIDFontType2" in pdf or b"/TrueType" in pdf
    assert b"CreationDate" not in pdf
    for axis in (axis for axis in figure.axes if axis.get_label() != "<colorbar>"):
        assert axis.get_xlabel() or not axis.get_subplotspec().is_last_row()  # a column shares its label
        assert axis.get_title(loc="left") or axis.get_title() or name in UNTITLED


def as_quick(module, rows):
    """The table that a quick sweep makes, its cells and its theory; means are those of the nearest committed cell."""
    experiment, groups = load(module), {}
    cells = experiment.cells(True)
    columns = [name for name in asdict(cells[0]) if name != experiment.along]

    def place(values):
        return tuple(float(x) if type(x) in (int, float) else str(x or "") for x in values)

    for row in rows:
        groups.setdefault(place(row.get(c) for c in columns), {}).setdefault(row["quantity"], []).append(row)

    def apart(one, other):
        pairs = zip(one, other, strict=True)
        return sum(
            abs(a - b) / (1 + abs(a) + abs(b)) if type(a) is type(b) is float else 9.0 * (a != b) for a, b in pairs
        )

    made = []
    for cell in cells:
        wanted = place(getattr(cell, c) for c in columns)
        near = groups[min(groups, key=lambda known, wanted=wanted: apart(known, wanted))]
        points = len(getattr(cell, experiment.along)) if experiment.along else 0
        curves = {
            q: experiment.along is not None and found[-1][experiment.along] is not None for q, found in near.items()
        }
        means = {q: np.mean([r["mean"] for r in found]) for q, found in near.items()}
        made += table(experiment, cell, {q: np.full((2, points) if curves[q] else 2, means[q]) for q in near})
    return made


@pytest.mark.slow
@pytest.mark.usefixtures("no_contracts")
@pytest.mark.parametrize("name", [name for name, entry in FIGURES.items() if entry.experiments])
def test_figures_of_the_lab_draw_the_table_of_a_quick_sweep(name):
    """That of ``grasp reproduce``: fewer cells, fewer points on a line."""
    rows = read_rows(FOLDER / csv_name(name))
    quick = [row for module in FIGURES[name].experiments for row in as_quick(module, rows)]
    assert quick
    assert builder(name)(quick).axes


def test_picture_is_a_png_where_no_kind_is_asked_for():
    assert render(new_figure(1, 1))[:8] == b"\x89PNG\r\n\x1a\n"


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, entry in FIGURES.items() if entry.experiments])
@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\x89PNG\xff\xfe"], ids=["empty", "other", "binary"])
def test_tables_of_something_else_are_refused(tmp_path, name, content):
    (tmp_path / csv_name(name)).write_bytes(content)
    with pytest.raises(InputError, match=f"{csv_name(name)} does not hold the table of {name}"):
        draw(name, tmp_path / "out", data=tmp_path)
    assert not (tmp_path / "out").exists()


def test_language_identification_draws_every_kind_in_one_order():
    """Not in that of a set, which differs from run to run: the file of a figure is the same."""
    rows = read_rows(FOLDER / "language_identification.csv")
    held = [line.get_label() for line in builder("language-identification")(rows).axes[-1].lines]
    assert held[:-1] == [*FOUND, "supervised", "nothing held"]  # the last one is the base's level


def test_verdict_rates_shows_every_row_and_the_prediction():
    rows = read_rows(FOLDER / "verdict_rates.csv")
    hits, alarms = builder("verdict-rates")(rows).axes
    drawn = [tuple(point) for line in hits.lines if len(line.get_xdata()) > 2 for point in line.get_xydata()]
    assert sorted(drawn) == sorted((r["relative"], r["rate"]) for r in rows if r["relative"])
    assert any(list(line.get_xdata()) == [1, 1] for line in hits.lines)
    assert [t.get_text() for t in alarms.get_yticklabels()] == [r["setting"] for r in rows if not r["relative"]]


def test_spectrum_draws_the_singular_values_and_the_floor(result):
    axis = spectrum(result).axes[0]
    found = result["decompositions"][0]
    drawn = sorted(float(y) for line in axis.lines for y in line.get_ydata() if len(line.get_ydata()) == 1)
    np.testing.assert_allclose(drawn, sorted(c["singular_value"] for c in found["components"]))
    assert any(set(line.get_ydata()) == {found["floor"]["value"]} for line in axis.lines)


def test_spectrum_says_when_there_is_no_floor():
    axis = spectrum(identify(drawn(layers=3, width=64, inputs=48, rank=4)[0]).to_dict()).axes[0]
    assert "no noise floor" in axis.get_title()
    assert not axis.get_legend()


def test_map_shows_size_rank_and_sharing_of_every_module(result):
    shared = result["modules"][1]["name"]
    figure = adapter_map(result["modules"], {shared})
    _, _, cells, right, *_ = figure.axes
    rms = [np.linalg.norm(m["singular_values"]) / np.sqrt(np.prod(m["shape"])) for m in result["modules"]]
    shown = np.ma.getdata(cells.images[0].get_array())
    np.testing.assert_allclose(np.sort(shown.ravel()), np.sort(rms))
    assert [label.get_text() for label in cells.get_yticklabels()] == sorted(
        {kind(m["name"]) for m in result["modules"]}
    )
    (dots,) = cells.collections
    assert len(dots.get_offsets()) == len(rms)
    (frame,) = cells.patches
    np.testing.assert_allclose(
        frame.get_x() + frame.get_width() / 2, next(m["layer"] for m in result["modules"] if m["name"] == shared)
    )
    np.testing.assert_allclose(sum(bar.get_width() for bar in right.patches), 1.0)


def test_map_marks_modules_without_update(result):
    dead = [m | {"singular_values": [0.0] * m["rank"]} for m in result["modules"]]
    some = adapter_map([*result["modules"][1:], dead[0]]).axes[2]
    assert [line.get_marker() for line in some.lines] == ["x"]
    assert len(some.collections[0].get_offsets()) == len(dead) - 1
    every = adapter_map(dead).axes[2]
    assert len(every.lines) == len(dead)
    assert not every.images


def test_alignment_shows_cos2_off_the_diagonal(result):
    figure = alignment(result)
    assert figure is not None
    shown = np.array(figure.axes[0].images[0].get_array(), dtype=float)
    expected = np.array(result["alignments"][0]["cos2"])
    off = ~np.eye(len(expected), dtype=bool)
    np.testing.assert_allclose(shown[off], expected[off])
    assert alignment({"alignments": []}) is None


def test_kind_is_what_follows_the_layer():
    assert kind("transformer.h.3.mlp.c_proj") == "mlp.c_proj"
    assert kind("model.embed_tokens") == "embed_tokens"


def test_look_of_a_method_is_that_of_its_family_and_a_control_is_grey():
    assert all(look(name) == found for name, found in METHODS.items())
    families = {"grasp, activations": "grasp", "kl, own text+null-space": "kl", "caft, A projected": "CAFT"}
    families |= {"edit, both sides": "edit", "preventative, supervised": "preventative"}
    for name, family in families.items():
        assert look(name) == METHODS[family], name
    assert look("grasp, random") == look("hold, random") == METHODS["random"]
    assert look("a method of somebody else") == OTHER
    assert len(set(METHODS.values())) >= len(METHODS) - 2  # write GRASP is grasp, post-hoc write is edit


def test_every_figure_stands_in_a_section_of_the_report():
    assert {entry.section for entry in FIGURES.values()} == set(get_args(Section))
    assert [name for name, entry in FIGURES.items() if entry.experiments and entry.section == "comparison"] == []


def test_comparison_figure_and_short_table_of_log_odds():
    """What is below 0 is seen, the base model's line too; the naive run stands in the short table once."""
    rows = [r for r in read_rows(FOLDER / "language_model.csv") if r["variant"] == "smollm2-style"]
    above, below = builder("comparison")(rows).axes
    drifts = [r["mean"] for r in rows if r["quantity"] == "drift" and r["method"] == "naive"]
    assert above.get_ylim()[0] < min(drifts) < 0
    found = summarise(rows)
    low, high = below.get_xlim()
    assert all(low < x.drift < high for x in found if x.whole)
    assert [row[2] for row in short_table([x for x in found if x.method in ("naive", "scale")]).rows] == ["naive"]
