"""``grasp reproduce`` keeps the statements it has checked: none twice, none of other code, no failure forgotten."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

import grasp_cli
import synthetic.runner.statements as kept
from grasp_theory.identification.report import plain
from grasp_theory.statements import registry
from grasp_theory.statements.checks import verify
from grasp_theory.statements.outcome import Decided, Outcome, RateFound
from grasp_theory.statements.registry import ORDER, modules
from synthetic.runner import code_version as code
from synthetic.runner.code_version import code_version

KEYS = ("scalar-output", "ablation-cost", "steering-bias")
THEORY = Path(registry.__file__).parent


class Checks:
    """Stands for verify: counts what it was asked, and may be told to be interrupted or to fail."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.interrupted_at: str | None = None
        self.failing: str | None = None

    def __call__(self, key: str, *, deep: bool = False) -> Outcome:
        if key == self.interrupted_at:
            raise KeyboardInterrupt
        self.asked.append(key)
        share = float(np.random.default_rng(len(key)).random())
        failures = ["holds: made to fail"] if key == self.failing else []
        return Outcome(key, "limit", "proved here", 90 if deep else 9, 9, share, needed=(1, 2), failures=failures)

    def since(self) -> list[str]:
        """What was asked since the last call."""
        asked, self.asked = self.asked, []
        return asked


@pytest.fixture
def checks(monkeypatch) -> Checks:
    """The statements are three, in this process."""
    made = Checks()
    monkeypatch.setattr(registry, "ORDER", KEYS)
    monkeypatch.setattr(kept, "verify", made)
    return made


def reproduce(folder: Path) -> int:
    return run("reproduce", "--only", "verify", "--jobs", 1, "--results", folder)


def run(*arguments: object) -> int:
    return grasp_cli.run(grasp_cli.app, [str(a) for a in arguments])


def files(folder: Path) -> dict[str, bytes]:
    """All but the seconds that a run took."""
    found = [p for p in folder.rglob("*") if p.is_file() and p.name != "timings.json"]
    return {str(p.relative_to(folder)): p.read_bytes() for p in found}


@pytest.mark.parametrize("at", KEYS[1:])
def test_statements_interrupted_are_not_checked_twice(checks, tmp_path, at, capsys):
    assert reproduce(tmp_path / "calm") == 0
    assert checks.since() == list(KEYS)
    checks.interrupted_at = at
    assert reproduce(tmp_path / "cut") == 130
    before = checks.since()
    assert before == list(KEYS[: KEYS.index(at)])
    checks.interrupted_at = None
    assert reproduce(tmp_path / "cut") == 0
    assert checks.since() == list(KEYS[KEYS.index(at) :])
    assert files(tmp_path / "cut") == files(tmp_path / "calm")
    alone = tmp_path / "alone.json"
    assert run("verify", *KEYS, "--jobs", 1, "--json", alone) == 0
    assert alone.read_bytes() == (tmp_path / "calm" / "verify.json").read_bytes()


@pytest.mark.parametrize("changed", modules(KEYS[0]))
def test_statements_of_other_code_are_checked_again(checks, tmp_path, changed, monkeypatch, capsys):
    """A change of the checks concerns all, one of a statement's own files that statement."""
    assert reproduce(tmp_path) == 0
    checks.since()
    (tmp_path / "verify.json").unlink()
    assert reproduce(tmp_path) == 0
    assert checks.since() == []  # control
    monkeypatch.setattr(kept, "code_version", lambda m: "changed" if m == changed else code_version(m))
    (tmp_path / "verify.json").unlink()
    with pytest.warns(UserWarning, match="set aside .* measured by other code"):
        assert reproduce(tmp_path) == 0
    assert checks.since() == (list(KEYS) if changed == "grasp_theory.statements.checks" else [KEYS[0]])


def test_statements_that_fail_are_kept_and_fail_again(checks, tmp_path, monkeypatch, capsys):
    checks.failing = KEYS[1]
    for asked in (list(KEYS), []):
        assert reproduce(tmp_path) == 1
        assert checks.since() == asked
        assert f"FAILED {KEYS[1]}: holds: made to fail" in capsys.readouterr().out
        found = json.loads((tmp_path / "verify.json").read_text())["statements"]
        assert [bool(o["failures"]) for o in found] == [False, True, False]
    checks.failing = None
    own = f"grasp_theory.statements.{KEYS[1].replace('-', '_')}"
    monkeypatch.setattr(kept, "code_version", lambda m: "mended" if m == own else code_version(m))
    with pytest.warns(UserWarning, match="1 measured by other code"):
        assert reproduce(tmp_path) == 0
    assert checks.since() == [KEYS[1]]


def test_statements_damaged_on_disk_are_checked_again(checks, tmp_path, capsys):
    assert reproduce(tmp_path) == 0
    checks.since()
    path = tmp_path / "statements" / f"{KEYS[1]}.json"
    good = path.read_bytes()
    path.write_bytes(good.replace(b'"held": ', b'"held": 1'))
    assert path.read_bytes() != good
    (tmp_path / "verify.json").unlink()
    with pytest.warns(UserWarning, match="1 checksum does not match"):
        assert reproduce(tmp_path) == 0
    assert checks.since() == [KEYS[1]]
    assert path.read_bytes() == good


def test_statements_deep_are_kept_beside_the_others(checks, tmp_path):
    shallow = kept.check_statements(KEYS[:1], folder=tmp_path, n_jobs=1)
    deep = kept.check_statements(KEYS[:1], deep=True, folder=tmp_path, n_jobs=1)
    assert deep[0].draws == 10 * shallow[0].draws
    checks.since()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert kept.check_statements(KEYS[:1], folder=tmp_path, n_jobs=1) == shallow
    assert checks.since() == []


def test_verify_alone_keeps_nothing(checks, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert run("verify", *KEYS[:2], "--jobs", 1) == 0
        assert checks.since() == list(KEYS[:2])
    assert files(tmp_path) == {}


def test_outcome_is_what_its_record_says():
    rate = RateFound("mean", (4, 16), (0.5, 0.1), -0.51, 0.01, -0.5, 1.0, ())
    decided = Decided(("2 x 2",), 1, 2, 0.5, ["y"])
    pairs = {"borders": (2, 2), "needed": (1, 2), "variants": (3, 4), "derived": (6, 7)}
    full = Outcome(
        "a", "limit", "proved here", 9, 9, 0.1, best_ratio=1 - 1e-16, variant_draws=5, route=1e-300, rates=[rate],
        decided=decided, failures=["x"], **pairs,
    )  # fmt: skip
    for outcome in (full, Outcome("b", "tight", ""), verify("scalar-output")):
        assert Outcome.of(json.loads(json.dumps(plain(outcome)))) == outcome


def folders() -> set[str]:
    """The folders of the statements."""
    return {path.name for path in THEORY.iterdir() if path.is_dir()} - {"shared", "__pycache__"}


def test_statements_are_the_folders_in_the_order_of_the_theory():
    assert len(set(ORDER)) == len(ORDER)
    assert {key.replace("-", "_") for key in ORDER} == folders()


def test_modules_of_the_statements_are_all_files_of_their_folders():
    found = {name for key in ORDER for name in modules(key)}
    files = {
        path.relative_to(THEORY).with_suffix("") for folder in folders() for path in (THEORY / folder).glob("*.py")
    }
    inside = {".".join(file.parts).removesuffix(".__init__") for file in files}
    assert found == {f"grasp_theory.statements.{name}" for name in ("checks", *inside)}


@pytest.mark.parametrize(
    ("file", "noticed"),
    [
        ("old_inputs", True),
        ("old_inputs.instances", True),
        ("old_inputs.variants", True),
        ("old_inputs.symbolic", True),
        ("shared.draws", True),
        ("checks", True),
        ("statement", True),
        ("registry", True),
        ("search", True),
        ("shared.spiked", False),
        ("prior_angle", False),
    ],
)
def test_statement_notices_a_change_in_its_folder_and_in_what_it_shares(file, noticed, monkeypatch):
    read = code._read

    def changed(name: str) -> tuple[str, frozenset[str]]:
        source, imported = read(name)
        return source + "changed" * (name == f"grasp_theory.statements.{file}"), imported

    names = modules("old-inputs")
    before = [code.code_version.__wrapped__(name) for name in names]
    monkeypatch.setattr(code, "_read", changed)
    assert (before != [code.code_version.__wrapped__(name) for name in names]) == noticed
