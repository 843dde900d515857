"""Folders of checkpoints on the command line: a trajectory, a report of the final adapter, or which one is meant."""

from __future__ import annotations

import json

import numpy as np
import pytest
from command import PLANTED, grasp
from planted import drawn, mapped

from grasp_theory import AdapterError, LowRank, identify
from real_models import read_adapter, write_adapter


def run_folder(folder, *, final=True):
    """What Trainer leaves: checkpoints in its output folder, and the final adapter in the same folder."""
    updates, _ = drawn(1, **PLANTED)
    if final:
        write_adapter(folder, updates)
    for step, size in ((2, 0.6), (10, 0.9)):  # B grows, alpha stays
        grown = mapped(updates, lambda p, size=size: LowRank(p.B * size, p.A, p.scaling))
        write_adapter(folder / f"checkpoint-{step}", grown)
    return folder


def test_trajectory_of_a_folder_of_checkpoints(tmp_path, capsys):
    target = tmp_path / "t.json"
    code, out, _ = grasp(capsys, "identify", run_folder(tmp_path, final=False), "--json", target)
    rows = json.loads(target.read_text())["checkpoints"]
    assert code == 0
    assert "2 checkpoints" in out
    assert [r["step"] for r in rows] == [2, 10]
    np.testing.assert_allclose(rows[0]["norm"] / rows[1]["norm"], 0.6 / 0.9, rtol=1e-5)
    np.testing.assert_allclose([r["angle_to_last"] for r in rows], 0, atol=1e-2)


def test_final_adapter_with_checkpoints_beside_it_gives_report_and_trajectory(tmp_path, capsys):
    folder = run_folder(tmp_path)
    code, out, _ = grasp(capsys, "identify", folder, "--json", tmp_path / "r.json", "--html", tmp_path / "r.html")
    assert code == 0
    assert "2 checkpoints lie beside the final adapter" in out
    assert "verdict: " in out
    value = json.loads((tmp_path / "r.json").read_text())
    expected = json.loads(json.dumps(identify(read_adapter(folder).updates).to_dict()))
    assert value["decompositions"] == expected["decompositions"]
    assert [c["step"] for c in value["trajectory"]] == [2, 10, None]
    norms = np.array([c["norm"] for c in value["trajectory"]])
    np.testing.assert_allclose(norms / norms[-1], [0.6, 0.9, 1.0], rtol=1e-5)
    np.testing.assert_allclose([c["cosine_to_last"] for c in value["trajectory"]], 1, rtol=1e-5)
    assert "final" in (tmp_path / "r.html").read_text()


def test_trajectory_option_chooses_between_the_two(tmp_path, capsys):
    folder = run_folder(tmp_path)
    code, out, _ = grasp(capsys, "identify", folder, "--no-trajectory")
    assert (code, "verdict: " in out, "checkpoint" in out.replace("checkpoint-", "")) == (0, True, False)
    code, out, _ = grasp(capsys, "identify", folder, "--trajectory")
    assert (code, "verdict: " in out, "cosine with previous" in out) == (0, False, True)
    code, _, err = grasp(capsys, "identify", folder, "--trajectory", "--normalize")
    assert code == 2
    assert "--no-trajectory" in err


def test_damaged_checkpoint_does_not_withhold_the_report(tmp_path, capsys):
    folder = run_folder(tmp_path)
    (folder / "checkpoint-2" / "adapter_model.safetensors").write_bytes(b"x")
    code, out, _ = grasp(capsys, "identify", folder)
    assert code == 0
    assert "verdict: " in out
    assert "give no trajectory: " in out
    assert grasp(capsys, "identify", folder, "--trajectory")[0] == 2  # control: asked for, it is an error


def test_several_adapters_are_chosen_by_the_option_that_the_command_has(tmp_path, capsys):
    folder = run_folder(tmp_path, final=False)
    code, _, err = grasp(capsys, "identify", folder, "--no-trajectory")
    assert code == 2
    assert "choose it with --name checkpoint-2" in err
    assert "name=" not in err
    code, _, err = grasp(capsys, "diff", folder, folder)
    assert code == 2
    assert "choose it with --name checkpoint-2" in err
    with pytest.raises(AdapterError, match="choose it with name='checkpoint-2'"):
        read_adapter(folder)
    arguments = ["diff", folder, folder, "--name", "checkpoint-2", "--name", "checkpoint-10", "--json", "-"]
    code, out, _ = grasp(capsys, *arguments)
    found = json.loads(out)
    assert code == 0
    np.testing.assert_allclose(np.divide(*found["pooled"][0]["norms"]), 0.6 / 0.9, rtol=1e-5)
    np.testing.assert_allclose(found["pooled"][0]["cosine"], 1, rtol=1e-5)
