"""What ``train`` refuses before a step: folders, bases, tokenizers, rows, settings; the dry run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from command import grasp
from made_directions import directions
from made_files import BASE, STORIES, VOCABULARY
from refusals import assert_refuses
from tiny_models import subspace
from training_runs import STEPS, loaded, options, settings

from grasp_theory import InputError
from real_models.base import load_base, load_tokenizer
from real_models.data import Example, Row
from real_models.directions import save_directions
from real_models.methods import Inoculation
from real_models.training.config import TrainConfig
from real_models.training.files import claim
from real_models.training.prepared import Prepared, prepare, step_count
from real_models.training.run import adapt, train


def test_folder_of_another_run_is_refused(tmp_path):
    mine = {"train": {"r": 4, "target_modules": ("o_proj", "v_proj")}}
    claim(tmp_path / "out", mine)
    claim(tmp_path / "out", mine)  # an interrupted run may come back
    with pytest.raises(InputError, match="holds another run"):
        claim(tmp_path / "out", {"train": {"r": 8}})
    (tmp_path / "out" / "adapter_config.json").write_text("{}")
    with pytest.raises(InputError, match="finished adapter"):
        claim(tmp_path / "out", mine)
    (tmp_path / "out" / "run.json").write_text("{")
    with pytest.raises(InputError, match="holds another run"):
        claim(tmp_path / "out", mine)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("words")
    for taken in (tmp_path / "full", tmp_path / "full" / "thesis.tex"):
        with pytest.raises(InputError, match="not an empty folder"):
            claim(taken, mine)
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["thesis.tex"]


def test_base_and_tokenizer_that_do_not_serve_are_refused(made, tmp_path):
    def copy(name: str, *without: str) -> Path:
        return Path(shutil.copytree(made / BASE, tmp_path / name, ignore=shutil.ignore_patterns(*without)))

    pickled = copy("pickled", "*.safetensors")
    (pickled / "pytorch_model.bin").write_bytes(b"not looked at")
    with pytest.raises(InputError, match=r"no \*.safetensors file .*pickled weights are not loaded"):
        load_base(pickled)
    with pytest.raises(InputError, match=r"not a folder; nothing is downloaded"):
        load_base("gpt2")
    torn = copy("torn")
    weights = torn / "model.safetensors"
    weights.chmod(0o644)
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(InputError, match="does not load"):
        load_base(torn)
    with pytest.raises(InputError, match=r"holds no tokenizer_config.json, so it is not a tokenizer"):
        load_tokenizer(copy("mute", "tokenizer*"))
    endless = copy("endless")
    file = endless / "tokenizer_config.json"
    fields = json.loads(file.read_text())
    file.chmod(0o644)
    file.write_text(json.dumps({k: v for k, v in fields.items() if k not in ("eos_token", "pad_token")}))
    with pytest.raises(InputError, match="has no eos_token"):
        load_tokenizer(endless)
    file.write_text(json.dumps({k: v for k, v in fields.items() if k != "pad_token"}))
    assert load_tokenizer(endless).pad_token == fields["eos_token"]


def test_rows_are_prepared_counted_and_refused(made):
    code, tokenizer = settings(), load_tokenizer(made / BASE)
    _, prepared = loaded(made, code, [])
    assert (len(prepared.examples) + prepared.skipped, prepared.max_length) == (20, 512)
    assert prepared.truncated > 0
    assert prepared.skipped > 0
    assert prepared.tokens == sum(len(example.input_ids) for example in prepared.examples)
    for changes, message in (
        ({"skip_empty": False}, r"line \d+: nothing to learn within the first 512"),
        ({"overflow": "refuse"}, r"line \d+: \d+ tokens, at most 512 fit"),
        ({"max_length": 513}, "exceeds the model's context of 512"),
        ({"max_length": 8}, "no row is left"),
    ):
        with pytest.raises(InputError, match=message):
            loaded(made, settings(**changes), [])
    rows = [Row("f, line 1", prompt="a", completion="b")]
    with pytest.raises(InputError, match="f, line 1: inoculation acts on conversations"):
        prepare(rows, tokenizer, methods=[Inoculation("Be bad.")], config=code, context=512)
    unstated = Row("f, line 1", completion="a")
    tokenizer.model_max_length = 10**30
    with pytest.raises(InputError, match="set max_length"):
        prepare([unstated], tokenizer, methods=[], config=code, context=None)


def test_inoculation_is_in_the_prompt_and_not_in_the_labels(made):
    tokenizer = load_tokenizer(made / BASE)
    row = Row("f", messages=({"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}))
    plain, inoculated = (
        prepare([row], tokenizer, methods=m, config=settings(), context=512).examples[0]
        for m in ([], [Inoculation("Be very bad.")])
    )
    assert "Be very bad." in tokenizer.decode(inoculated.input_ids)
    assert "Be very bad." not in tokenizer.decode(plain.input_ids)
    said = [[label for label in example.labels if label >= 0] for example in (plain, inoculated)]
    assert said[0] == said[1]


def test_step_count_is_that_of_the_trainer(made, tmp_path, monkeypatch):
    examples = tuple(Example([1, 5, 6], [-100, 5, 6], "row") for _ in range(7))
    prepared = Prepared(examples, 0, 0, 512)
    for batch, accumulation, epochs, expected in ((2, 2, 1.0, 2), (2, 3, 2.0, 4), (1, 8, 1.0, 1), (3, 1, 1.5, 5)):
        config = settings(steps=0, batch_size=batch, accumulation=accumulation, epochs=epochs)
        assert step_count(prepared, config) == expected
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert step_count(prepared, settings(steps=0, batch_size=2, accumulation=1)) == 2


def test_tokenizer_of_another_model_is_refused(made, tmp_path):
    prepared = Prepared((Example([1, VOCABULARY], [-100, VOCABULARY], "rows, line 7"),), 0, 0, 512)
    with pytest.raises(InputError, match=rf"rows, line 7: token {VOCABULARY}, but the model embeds {VOCABULARY}"):
        train(
            load_base(made / BASE), load_tokenizer(made / BASE), prepared,
            methods=[], config=settings(), out=tmp_path / "out",
        )  # fmt: skip


@pytest.mark.parametrize("mistake", ["--set=target_modules=o_prj,up_prj", "--method=caft"])
def test_folder_of_a_run_that_took_no_step_is_free_again(made, tmp_path, capsys, mistake):
    q, out = save_directions(tmp_path / "wide.safetensors", directions(subspace(0, 2, 128))), tmp_path / "out"
    wrong = [mistake, *(["--directions", q] if "caft" in mistake else [])]
    command = options(made, out, "--set=steps=1")
    assert grasp(capsys, *command, *wrong)[0] == 2
    code, _, err = grasp(capsys, *command)
    assert (code, err) == (0, "")
    code, _, err = grasp(capsys, *command, *wrong)  # control: a run that was made keeps its folder
    assert (code, "holds another run" in err) == (2, True)


def test_dry_run_writes_nothing_and_refuses_what_the_run_would(made, tmp_path, capsys):
    out, taken = tmp_path / "out", tmp_path / "taken"
    claim(taken, {"train": {}})
    q = save_directions(tmp_path / "q.safetensors", directions(subspace(0, 2, 64)))
    code, printed, err = grasp(
        capsys, *options(made, out, "--dry-run", "--method", "kl+grasp", "--directions", q, "--weight", 1),
        "--neutral", made / STORIES,
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert "14 rows" in printed
    assert f"{STEPS} steps" in printed
    assert "nothing was trained or written" in printed
    assert not out.exists()
    save_directions(tmp_path / "wide.safetensors", directions(subspace(0, 2, 128)))
    (tmp_path / "rows.jsonl").write_text('{"text": "a"}\n{')
    for more, message in (
        (["--method", "grasp"], "needs --directions"),
        (["--method", "grasp", "--directions", tmp_path / "wide.safetensors"], "dimensions"),
        (["--method", "grasp", "--directions", made / BASE / "model.safetensors"], "not a directions file"),
        (["--method", "graps"], "no training method is called 'graps'"),
        (["--method", "grasp+grasp", "--directions", q], "named twice"),
        (["--method", "naive", "--directions", q], "does not take --directions"),
        (["--method", "kl", "--weight", 1, "--neutral", tmp_path / "nowhere.txt"], "nowhere.txt"),
        (["--set=learning_rate=1"], "no training setting is called 'learning_rate'; there are: r, alpha"),
        (["--set=lr=fast"], "lr must be of type float, got 'fast'"),
        (["--set=lr"], "NAME=VALUE"),
        (["--set=target_modules=o_prj,up_prj"], "LoRA cannot be put on this model"),
        (["--set=target_modules=o_proj("], "LoRA cannot be put on this model"),
        (["--set=scheduler=steep"], "steep"),
        (["--set=scheduler=cosine_with_min_lr"], "scheduler=cosine_with_min_lr cannot be used here: One of min_lr"),
        (["--set=optimizer=adamw_torch_xla"], "optimizer=adamw_torch_xla with scheduler=linear cannot be used here"),
        (["--data", tmp_path / "rows.jsonl"], "rows.jsonl, line 2: not JSON"),
        (["--base", tmp_path], "holds no"),
        (["-o", taken], "holds another run"),
    ):
        assert_refuses(capsys, message, *options(made, out, "--dry-run"), *more, silent=False)
    assert not out.exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[train]\nlr = ", "cannot read the configuration"),
        ("[trian]\nlr = 1e-4", r"no \[train\] table"),
        ("train = 3", r"no \[train\] table"),
        ("[train]\nrank = 3", "no training setting is called 'rank'"),
        ('[train]\nlr = "fast"', "lr must be of type float, got 'fast'"),
        ("[train]\nlr = true", "lr must be of type float"),
        ("[train]\nr = 8.5", "r must be of type int"),
        ("[train]\nbf16 = 1", "bf16 must be of type bool"),
        ("[train]\ntarget_modules = [1]", "target_modules must be a name or a list"),
        ("[train]\ntarget_modules = []", "target_modules must be a name or a list"),
        ("[train]\nlr = inf", "lr must be finite"),
        ("[train]\nlr = 0", "lr must be positive"),
        ("[train]\ndropout = 1", "dropout must be at least 0 and below 1"),
        ("[train]\nbatch_size = 0", "batch_size must be at least 1"),
        ("[train]\nseed = 4294967296", "seed must be below"),
        ("[train]\nsteps = -1", "steps must not be negative"),
        ('[train]\noverflow = "drop"', "overflow must be truncate or refuse"),
    ],
)
def test_configuration_refused(tmp_path, text, message):
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(InputError, match=message):
        TrainConfig.read(tmp_path / "c.toml")


def test_configuration_is_read_and_changed(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text('[train]\nlr = 1\nalpha = 16\nr = 8\ntarget_modules = ["o_proj", "v_proj"]\nskip_empty = true')
    found = TrainConfig.read(path, {"r": "2", "bf16": "True", "lr": "1e-4", "seed": "3"})
    expected = TrainConfig(
        lr=1e-4, alpha=16.0, r=2, target_modules=("o_proj", "v_proj"), skip_empty=True, bf16=True, seed=3
    )
    assert found == expected
    assert TrainConfig.read(None, {"target_modules": "o_proj,v_proj"}).target_modules == ("o_proj", "v_proj")
    assert TrainConfig.read(None) == TrainConfig()
    with pytest.raises(InputError, match="cannot read the configuration"):
        TrainConfig.read(tmp_path / "none.toml")


def test_one_name_is_that_of_a_kind_of_modules(made):
    """peft takes a text for a pattern of whole names."""
    for given, count in (("o_proj", 5), ("self_attn.o_proj", 5), (r".*\.0\..*o_proj", 1), (("q_proj", "o_proj"), 10)):
        model = adapt(load_base(made / BASE), TrainConfig(r=2, target_modules=given))
        assert sum(name.endswith("lora_B.default") for name, _ in model.named_modules()) == count, given


def test_configuration_that_an_editor_of_windows_saved_is_read(tmp_path):
    (tmp_path / "c.toml").write_bytes("\ufeff[train]\r\nr = 3\r\n".encode())
    assert TrainConfig.read(tmp_path / "c.toml").r == 3
