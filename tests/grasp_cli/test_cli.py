"""The command line as a user meets it: output, files, refusals and exit codes."""

from __future__ import annotations

import json
import re
import shutil
import time

import numpy as np
import pytest
from command import PLANTED, grasp
from planted import drawn, mapped, saved

from figures.tables.identify import reasons
from grasp_cli.options import check_targets
from grasp_theory import InputError, LowRank, Update, identify
from real_models import read_adapter, write_adapter
from real_models.directions import load_directions


def test_identify_prints_the_numbers_of_the_report(planted, capsys):
    report = identify(read_adapter(planted).updates)
    code, out, err = grasp(capsys, "identify", planted)
    component = report.component(0)
    assert code == 0
    assert err == ""
    assert f"{component.singular_value:.4g}" in out
    assert f"{component.ratio:.2f}" in out
    assert "verdict: one stands out" in out
    assert "• Energy: " in out
    assert len(out.splitlines()) <= 40  # one screen
    explained = grasp(capsys, "identify", planted, "--explain")[1]
    for words in (report.rule, report.caveat, *report.notes, "decided by: "):
        assert words in explained
        assert words not in out


def test_identify_beside_a_control_is_of_another_matrix(planted, tmp_path, capsys):
    other = saved(tmp_path / "control", 1, layers=6)
    code, out, err = grasp(capsys, "identify", planted, "--against", other, "--json", tmp_path / "r.json")
    assert (code, err) == (0, "")
    assert f"control: {other}" in out
    assert "self-certificate: component 0 lies" in out
    found = json.loads((tmp_path / "r.json").read_text())["decompositions"][0]
    assert found["self_certificate"]["reason"] == "estimated"
    strength = f"{found['components'][0]['singular_value']:.4g}"
    assert strength in out
    assert strength not in grasp(capsys, "identify", planted)[1]  # control
    fewer = write_adapter(tmp_path / "fewer", read_adapter(other).updates[:-1])
    code, _, err = grasp(capsys, "identify", planted, "--against", fewer)
    assert (code, "the same modules: 1" in err) == (2, True)


def test_identify_table_has_each_number_under_its_header(planted, capsys):
    lines = grasp(capsys, "identify", planted)[1].splitlines()
    at = next(n for n, line in enumerate(lines) if line.split()[:2] == ["#", "strength"])
    cells = dict(zip(*(re.split(r"\s{2,}", lines[n].strip()) for n in (at, at + 2)), strict=True))
    c = identify(read_adapter(planted).updates).component(0)
    expected = {"#": "0", "strength": f"{c.singular_value:.4g}", "ratio": f"{c.ratio:.2f}", "> floor": "yes"}
    expected |= {"energy": f"{100 * c.energy:.1f}%", "layers": f"{c.layers:.1f}", "agree": f"{c.agreement.value:.3f}"}
    expected |= {"null": f"{c.agreement.null_mean:.3f}", "p": f"{c.agreement.p_value:.3f}", "out": "yes"}
    assert {name: cells[name] for name in expected} == expected
    np.testing.assert_allclose(float(cells["if tau is"]), c.certificate.smallest_tau, rtol=1e-3)


def test_identify_json_is_the_report(planted, tmp_path, capsys):
    target = tmp_path / "out.json"
    code, _, _ = grasp(capsys, "identify", planted, "--json", target)
    assert code == 0
    value = json.loads(target.read_text(), parse_constant=lambda name: pytest.fail(f"{name} in the JSON"))
    report = identify(read_adapter(planted).updates)
    assert value["schema_version"] == 1
    assert value["verdict"] == report.verdict
    assert [c["index"] for c in value["decompositions"][0]["components"]] == list(range(8))
    np.testing.assert_array_equal(
        [c["singular_value"] for c in value["decompositions"][0]["components"]],
        [c.singular_value for c in report.decompositions[0].components],
    )
    assert value["adapter"]["sha256"] == read_adapter(planted).sha256


def test_identify_json_dash_is_nothing_but_json(planted, capsys):
    code, out, _ = grasp(capsys, "identify", planted, "--json", "-")
    assert code == 0
    assert json.loads(out)["side"] == "write"


@pytest.mark.slow
def test_identify_html_is_one_self_contained_file(planted, tmp_path, capsys):
    target = tmp_path / "page.html"
    code, _, _ = grasp(capsys, "identify", planted, "--html", target)
    text = target.read_text(encoding="utf-8")
    assert code == 0
    assert text.count("data:image/svg+xml;base64,") == 3
    assert not re.search(r"(src|href)=\"(?!data:)", text)
    assert "one stands out" in text
    assert "my ädapter" in text


def test_directions_file_round_trip(planted, tmp_path, capsys):
    target = tmp_path / "d.safetensors"
    code, _, _ = grasp(capsys, "identify", planted, "-o", target, "--component", 1, "--component", 0)
    adapter = read_adapter(planted)
    report = identify(adapter.updates)
    found = load_directions(target)
    assert code == 0
    assert found.components == (1, 0)
    assert found.side == "write"
    assert found.modules == report.decomposition().modules
    assert found.adapter_sha256 == adapter.sha256
    expected = np.hstack([report.component(i).subspace.basis for i in (1, 0)]).astype(np.float32)
    np.testing.assert_array_equal(found.Q, expected)
    np.testing.assert_array_equal(found.singular_values, [report.component(i).singular_value for i in (1, 0)])


@pytest.mark.parametrize(("bases", "differ"), [(("a", "b"), True), (("a", "a"), False), (("a", None), False)])
def test_diff_says_when_the_base_models_differ(bases, differ, planted, tmp_path, capsys):
    updates = read_adapter(planted).updates
    paths = [write_adapter(tmp_path / str(n), updates, base_model_name=base) for n, base in enumerate(bases)]
    code, out, _ = grasp(capsys, "diff", *paths, "--json", tmp_path / "d.json")
    assert code == 0
    assert ("warning: the base models differ: a and b" in out) == differ
    assert bool(json.loads((tmp_path / "d.json").read_text())["warnings"]) == differ
    narrow = [Update.of(u.name, LowRank(u.lowrank.B[:-1], u.lowrank.A), layer=u.layer, side=u.side) for u in updates]
    write_adapter(tmp_path / "1", narrow, base_model_name=bases[1])
    code, _, err = grasp(capsys, "diff", *paths)
    assert (code, "different base models" in err, "a and b" in err) == (2, True, differ)


def test_diff_with_itself_and_with_another(planted, tmp_path, capsys):
    other = saved(tmp_path / "other", 5, **PLANTED)
    code, out, _ = grasp(capsys, "diff", planted, planted, "--json", tmp_path / "same.json")
    assert code == 0
    assert "random 99%" in out
    same = json.loads((tmp_path / "same.json").read_text())["pooled"][0]
    np.testing.assert_allclose(same["mean_cos2"], 1, atol=1e-6)
    assert grasp(capsys, "diff", planted, other, "--json", tmp_path / "else.json")[0] == 0
    found = json.loads((tmp_path / "else.json").read_text())["pooled"][0]
    assert found["mean_cos2"] < 3 * found["random_99"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["identify", "{missing}"], "does not exist"),
        (["identify"], "Missing argument"),
        (["identify", "{planted}", "--side", "up"], "'--side'"),
        (["identify", "{planted}", "--side", "read"], "use --side write"),
        (["identify", "{planted}", "--top", "0"], "'--top'"),
        (["identify", "{planted}", "-o", "{tmp}/d"], "--component 0"),
        (["identify", "{planted}", "--component", "0"], "add -o"),
        (["identify", "{planted}", "-o", "{tmp}/d", "--component", "99"], "components 0"),
        (["identify", "{planted}", "-o", "{tmp}/d", "--component", "0", "--module", "nope"], "no decomposition"),
        (["identify", "{planted}", "--json", "{tmp}/no/such/folder.json"], "create it first"),
        (["identify", "{planted}", "--html", "{tmp}"], "name a file in it"),
        (["identify", "{planted}", "--name", "second"], "second"),
        (["identify", "{planted}", "--trajectory"], "no checkpoint-N folders"),
        (["diff", "{planted}", "{planted}", "--name", "a", "--name", "b", "--name", "c"], "got 3 names"),
        (["identify", "{planted}", "--module", "nope"], "add -o"),
        (["identify", "{planted}", "--html", "-"], "only --json"),
        (["identify", "{planted}", "--json", "{tmp}/a", "--html", "{tmp}/a"], "twice"),
        (["identify", "{planted}", "--json", "{tmp}/a", "-o", "{tmp}/b", "--component", "99"], "components 0"),
        (["identify", "{planted}", "--json", "/dev/full"], "no regular file"),
        (["diff", "{planted}"], "1 readable adapter"),
        (["diff", "{planted}", "{tmp}"], "empty"),
    ],
)
def test_bad_input_is_one_line_and_code_2(arguments, words, planted, tmp_path, capsys):
    places = {"planted": planted, "missing": tmp_path / "missing", "tmp": tmp_path}
    code, out, err = grasp(capsys, *[a.format(**places) for a in arguments])
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("error: ")
    assert words in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["--json", "--html", "-o"])
@pytest.mark.parametrize("file", ["adapter_model.safetensors", "adapter_config.json"])
def test_the_adapter_itself_is_never_overwritten(option, file, planted, tmp_path, capsys):
    victim = shutil.copytree(planted, tmp_path / "victim")
    before = {p.name: p.read_bytes() for p in victim.iterdir()}
    choice = ["--component", "0"] if option == "-o" else []
    code, _, err = grasp(capsys, "identify", victim, option, tmp_path / "victim" / ".." / "victim" / file, *choice)
    assert code == 2
    assert "is read or written twice" in err
    assert {p.name: p.read_bytes() for p in victim.iterdir()} == before


@pytest.mark.parametrize("option", [["--html", "x.html"], ["-o", "d", "--component", "0"], ["--normalize"]])
def test_options_that_need_one_adapter_are_refused_for_checkpoints(option, planted, tmp_path, capsys, monkeypatch):
    for step in (1, 2):
        shutil.copytree(planted, tmp_path / "run" / f"checkpoint-{step}")
    monkeypatch.chdir(tmp_path)
    code, _, err = grasp(capsys, "identify", tmp_path / "run", *option)
    assert code == 2
    assert "checkpoint-2" in err
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
    assert grasp(capsys, "identify", tmp_path / "run")[0] == 0  # control


@pytest.mark.slow
def test_names_with_markup_mathematics_and_emoji_are_shown_as_they_are(tmp_path, capsys):
    updates, _ = drawn(**PLANTED)
    names = [r"model.layers.0.$\foo{$.o_proj", "model.layers.1.[bold]x[/].o_proj", "model.layers.2.:smile:.o_proj"]
    renamed = [Update.of(n, u.lowrank, layer=u.layer, side=u.side) for n, u in zip(names, updates, strict=False)]
    folder = write_adapter(tmp_path / "[red]:smile:", renamed)
    code, out, _ = grasp(capsys, "identify", folder, "--explain", "--html", tmp_path / "x.html")
    assert code == 0
    for name in names:
        assert name in out
    assert "[red]:smile:" in out


def test_verdict_names_a_run_that_has_hardly_begun():
    rng, names = np.random.default_rng(0), [f"m.layers.{n}.o_proj" for n in range(4)]
    signs = {name: LowRank(rng.choice([-1e-3, 1e-3], (32, 16)), rng.standard_normal((16, 24))) for name in names}
    early = identify([Update.of(name, factors) for name, factors in signs.items()])
    assert early.verdict == "none can be told"
    assert reasons(early)[0].startswith("because: training has hardly begun")
    assert early.decomposition().self_certificate.reason == "training has hardly begun"
    grown = {name: LowRank(rng.standard_normal((32, 16)), factors.A) for name, factors in signs.items()}
    later = identify([Update.of(name, factors) for name, factors in grown.items()])
    assert not any("hardly begun" in reason for reason in reasons(later))
    assert "hardly begun" not in later.decomposition().self_certificate.reason


def test_file_in_results_can_be_asked_for_before_the_folder_is_there(tmp_path):
    results = tmp_path / "results"
    check_targets(results / "page.html", results=results)
    with pytest.raises(InputError, match="create it first"):
        check_targets(tmp_path / "elsewhere" / "page.html", results=results)
    assert not results.exists()


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_extreme_sizes_are_decomposed_or_refused_in_one_line(size, tmp_path, capsys):
    updates, _ = drawn(**PLANTED)
    # of A: a B that is small beside A's start has hardly begun to train, and gets no verdict
    scaled = mapped(updates, lambda p: LowRank(p.B, p.A * size))
    code, out, _ = grasp(capsys, "identify", write_adapter(tmp_path / "a", scaled))
    assert code == 0
    assert "verdict: one stands out" in out


def test_version(capsys):
    code, out, _ = grasp(capsys, "--version")
    assert code == 0
    assert re.match(r"grasp \d+\.\d+\.\d+", out)


@pytest.mark.slow
def test_figures_are_drawn_from_committed_results(tmp_path, capsys):
    some = ["verdict-rates", "pooling"]  # quick ones; test_figures draws them all
    code, out, _ = grasp(capsys, "figures", *some, "--results", tmp_path / "new")
    assert code == 0
    written = sorted(p.name for p in (tmp_path / "new").iterdir())
    assert written == sorted(f"{name.replace('-', '_')}.{kind}" for name in some for kind in ("csv", "pdf", "png"))
    assert len(out.splitlines()) == len(written)
    time.sleep(1.1)  # a date in the file would show
    assert grasp(capsys, "figures", some[0], "--results", tmp_path / "again")[0] == 0
    again = list((tmp_path / "again").iterdir())
    assert len(again) == 3
    assert all(path.read_bytes() == (tmp_path / "new" / path.name).read_bytes() for path in again)
