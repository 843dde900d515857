"""The folder of a run: whose it is, and what may read the adapter in it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tiny_models import lora, tiny
from training_runs import WEIGHTS, run

import grasp_cli
from grasp_theory import InputError
from real_models.training.files import alone, refuse_other_runs, save_adapter


def test_run_killed_while_it_claims_its_folder_is_no_other_run(tmp_path):
    (tmp_path / ".run.json.abc.part").touch()
    refuse_other_runs(tmp_path, {"a": 1})
    (tmp_path / "run.json").touch()
    with pytest.raises(InputError, match=r"run.json is damaged"):
        refuse_other_runs(tmp_path, {"a": 1})


def test_file_that_ends_too_early_is_not_an_interruption(capsys):
    import typer

    app = typer.Typer()

    @app.command()
    def read() -> None:
        raise EOFError("Ran out of input")

    assert grasp_cli.run(app, []) == 2
    assert "interrupted" not in capsys.readouterr().err


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_saved_adapter_has_the_permissions_the_umask_leaves(tmp_path, mask, mode):
    model, before = lora(tiny()), os.umask(mask)
    save = model.save_pretrained

    def private(folder: str, **options: Any) -> None:
        """As some versions of safetensors leave it, whatever version this is."""
        save(folder, **options)
        Path(folder, WEIGHTS).chmod(0o600)

    model.save_pretrained = private
    try:
        save_adapter(model, tmp_path)
        private(str(tmp_path / "peft"))
    finally:
        os.umask(before)
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir() if p.is_file()}
    assert {WEIGHTS, "adapter_config.json"} <= set(modes)
    assert set(modes.values()) == {mode}
    assert stat.S_IMODE((tmp_path / "peft" / WEIGHTS).stat().st_mode) == 0o600  # control


@pytest.mark.skipif(os.name != "posix", reason="folders are locked by flock")
def test_two_processes_never_train_in_one_folder(tmp_path):
    """The lock is of the process: one that is killed leaves the folder free."""
    out = tmp_path / "new" / "run"
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom real_models.training.files import alone\n"
        "with alone(Path(sys.argv[1])):\n    print('on', flush=True)\n    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(out)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "on\n"
        with pytest.raises(InputError, match="another process is training in"), alone(out):
            pass
        other.kill()
        other.wait()
        with alone(out):
            assert not list(out.iterdir())
    with alone(out), alone(tmp_path):
        pass


def test_folder_in_which_a_run_goes_on_is_refused_and_left_as_it_is(made, tmp_path):
    with alone(tmp_path), pytest.raises(InputError, match="another process is training in"):
        run(made, tmp_path, [])
    assert not list(tmp_path.iterdir())
