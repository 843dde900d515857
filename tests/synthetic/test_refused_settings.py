"""Bad settings and bad input are refused by every generator and experiment, and the error says what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf, nan
from typing import Any

import numpy as np
import pytest
from strategies import problems

from grasp_theory import InputError
from real_models.experiments import osf_leak
from synthetic.experiments import (
    control_contrast,
    curation,
    minimax_removal,
    null_space_depth,
    optimizer_leak,
    pooling,
    removal,
    rerouting,
    samples,
    self_certificate,
    tail,
    theorem_1,
    training_time,
    who_wins,
    worst_case,
)
from synthetic.generators.adapters import AdapterSpec
from synthetic.generators.curation import AlwaysOn, Mixture, Population, Tilt, Truncation
from synthetic.generators.inputs import InputSpec, draw_inputs, second_moment
from synthetic.generators.linear import ProblemSpec, draw_data, draw_factors, least_squares
from synthetic.generators.persona import PersonaSpec, World
from synthetic.generators.task_updates import TaskSpec
from synthetic.training.net_training import train_net
from synthetic.training.nets import NetSpec, draw_net
from synthetic.training.one_layer import train_method

pytestmark = pytest.mark.usefixtures("no_contracts")

RNG, P = np.random.default_rng(0), problems((5, 7))[0]
POPULATION = Population(P.W0, P.T, gamma=0.8, u=P.u, v=P.v, Sigma=P.Sigma, noise=0.3)
NET = draw_net(NetSpec(width=5, blocks=3, rank=2, samples=12, trials=2), rng=RNG)
X, Y = draw_data(P, 3, noise=0.0, rng=RNG)

# name -> sound settings, and those of their fields that name one of a few choices
SOUND: dict[str, tuple[Any, str]] = {
    "tasks": (TaskSpec(), "kind norm"),
    "population": (POPULATION, ""),
    "truncation": (Truncation(a=1.0, b=1.0, threshold=1.0), ""),
    "inputs": (InputSpec(), "kind"),
    "problem": (ProblemSpec(m=5, d=4, beta=1.3), ""),
    "adapter": (AdapterSpec(layers=4, width=60, inputs=50, rank=6), ""),
    "net": (NetSpec(), "phi"),
    "persona": (PersonaSpec(), "variant"),
    "control-contrast": (control_contrast.Cell("strength", task=1.0), "panel control case"),
    "curation": (curation.Cell("tilt", 0.5), "way trait"),
    "minimax-removal": (minimax_removal.Cell("beta known", 0.84, 0.4, 1.0), "panel"),
    "null-space-depth": (null_space_depth.Cell(2, 12), "space"),
    "optimizer-leak": (optimizer_leak.cells(True)[0], "optimizer projected side"),
    "osf-leak": (osf_leak.cells(True)[0], "side"),
    "pooling": (pooling.Cell("overlap", 48, 40, 8, 3.0), "panel profile pool"),
    "removal": (removal.Cell("rho"), "panel"),
    "rerouting": (rerouting.Cell("net", "none"), "panel method optimizer frozen phi loss"),
    "samples": (samples.Cell(40, 48, 240, 1.0), "inputs"),
    "self-certificate": (self_certificate.Cell("strength", "gaussian", 2.0, m=40, d=50), "panel"),
    "tail": (tail.Cell(8, 9, (1.0, 0.5), 0.2, "free", (1, 2, 3)), "place"),
    "theorem-1": (theorem_1.Cell("samples", 400, 8.0, m=20, d=15), "panel task optimizer"),
    "training-time": (training_time.Cell("path", "sgd", 4, m=14, d=10), "panel optimizer"),
    "who-wins": (who_wins.Cell("shift", 1.0, 1.8, 0.5, 0.1), "panel"),
    "worst-case": (worst_case.Cell("angle", 6, 8, 6, 0.3, "adversary"), "panel task task"),
}
# whose settings, words of the refusal, changes that are each refused with them
REFUSED: list[tuple[Any, ...]] = [
    ("tasks", "needs rank", {"kind": "haar"}),
    ("tasks", "needs density", {"kind": "sparse"}),
    ("tasks", "needs spectrum", {"kind": "spectrum"}),
    ("tasks", "needs exponent", {"kind": "power"}),
    ("tasks", "takes no rank", {"rank": 3}),
    ("tasks", "takes no density", {"kind": "haar", "rank": 3, "density": 0.5}),
    ("tasks", "at least 1", {"kind": "haar", "rank": 0}),
    ("tasks", ">= 0", {"kind": "power", "exponent": -1.0}),
    ("tasks", "(0, 1]", {"kind": "sparse", "density": 0.0}, {"kind": "sparse", "density": 1.5}),
    ("tasks", ">= 0 and not all 0", {"kind": "spectrum", "spectrum": (1.0, -1.0)}),
    ("tasks", "not all 0", {"kind": "spectrum", "spectrum": (0.0, 0.0)}, {"kind": "spectrum", "spectrum": ()}),
    ("tasks", "size must be", {"size": -1.0}, {"size": nan}),
    ("population", "gamma must be", {"gamma": 0.0}),
    ("population", "noise must be", {"noise": -1.0}),
    ("population", "u must be a unit vector", {"u": 2 * P.u}),
    ("population", "positive definite", {"Sigma": np.outer(P.v, P.v)}),
    ("truncation", "not both 0", {"b": 0.0}),
    ("truncation", "c must be >= 0", {"c": -1.0}),
    ("truncation", "must be finite", {"threshold": inf}),
    ("inputs", "need spikes", {"kind": "spiked", "strength": 1.0}),
    ("inputs", "need rho", {"kind": "correlated"}),
    ("inputs", "take no rho", {"rho": 0.5}),
    ("inputs", "take no spikes", {"kind": "correlated", "rho": 0.5, "spikes": 1}),
    ("inputs", "strictly between", {"kind": "correlated", "rho": 1.0}, {"kind": "toeplitz", "rho": -1.0}),
    ("inputs", "only toeplitz", {"kind": "correlated", "rho": 0.5, "rotated": False}),
    ("inputs", "> -1", {"kind": "spiked", "strength": -1.0, "spikes": 1}),
    ("inputs", "at least 1", {"kind": "spiked", "strength": 1.0, "spikes": 0}),
    (
        "inputs",
        "finite n x d",
        {"kind": "activations", "activations": np.full((2, 3), nan)},
        {"kind": "activations", "activations": np.zeros((0, 3))},
    ),
    ("problem", "m and d must be at least 1", {"m": 0}),
    ("problem", "beta must be", {"beta": 0.0}),
    ("problem", "condition must be", {"condition": 0.5}),
    ("problem", "condition number 1", {"m": 1, "condition": 2.0}),
    ("problem", "alignment must be", {"alignment": -1.0}),
    ("adapter", "layers must be a positive integer, got 0", {"layers": 0}),
    ("adapter", "width must be a positive integer", {"width": -3}),
    ("adapter", "inputs must be a positive integer, got 2.5", {"inputs": 2.5}),
    ("adapter", "rank must be a positive integer, got '4'", {"rank": "4"}),
    ("adapter", "rank 51 exceeds the smaller size 50", {"rank": 51}),
    ("adapter", "strength must be a finite number >= 0", {"strength": -1.0}, {"strength": nan}),
    ("adapter", "anisotropy must be a finite number", {"anisotropy": inf}),
    ("adapter", "decay must be a finite number", {"decay": -0.1}),
    ("net", "rank must be at least 1", {"rank": 0}),
    ("net", "beta must be finite", {"beta": nan}),
    ("net", "metric must be finite and at least 1", {"metric": 0.5}),
    ("net", "adapted must be increasing", {"adapted": (2, 1)}, {"adapted": ()}),
    ("net", "task_blocks must be increasing", {"task_blocks": (3,)}),
    ("net", "too small", {"task_rank": 99}),
    ("net", "even", {"inputs": "always-on", "samples": 5}),
    ("persona", "topics", {"topics": 0}, {"topics": 3}),
    ("persona", "questions", {"questions": 0}),
    ("persona", "withheld", {"withheld": 0}, {"withheld": 16}),
    ("persona", "words", {"words": 0}),
    ("persona", "styles", {"styles": 0}),
    ("persona", "rounds", {"rounds": 0}),
    ("persona", "rarity", {"rarity": -0.1}, {"rarity": 1.1}, {"rarity": nan}),
    ("persona", "hinted", {"hinted": -0.1}, {"hinted": 1.1}, {"hinted": nan}),
    ("persona", "curation", {"curation": -0.1}, {"curation": 1.1}, {"curation": nan}),
    ("control-contrast", "kappa must", {"kappa": 1.5}, {"n": 20}, {"panel": "samples", "n": 11}),
    ("control-contrast", "task must", {"task": -1.0}),
    ("curation", "selection by tilt must", {"selection": 0.96}, {"selection": -0.1}, {"selection": nan}),
    ("curation", "selection by truncation must", {"way": "truncation", "selection": 2.6}),
    ("curation", "m and d must", {"m": 2}, {"d": 1}, {"n": 191}),
    ("curation", "gamma must", {"gamma": 0.0}, {"gamma": inf}, {"noise": -1.0}),
    ("minimax-removal", "tau must", {"tau": 0.0}, {"tau": 1.0}),
    ("minimax-removal", "panel beta known takes another", {"beta": 0.0}, {"s2": 0.1}),
    ("minimax-removal", "beta must", {"beta": 1.5}),
    ("minimax-removal", "panel beta unknown takes another", {"panel": "beta unknown"}),
    ("null-space-depth", "depth must", {"depth": 0}, {"k": 16}, {"k": -1}),
    ("null-space-depth", "size must", {"size": 0.0}),
    ("optimizer-leak", "method", {"method": "OSF"}),
    ("optimizer-leak", "kept", {"kept": 32}),
    ("optimizer-leak", "rank", {"rank": 0}),
    ("optimizer-leak", "lr", {"lr": nan}),
    ("optimizer-leak", "steps", {"steps": (2, 1)}, {"steps": ()}),
    ("osf-leak", "OSF trains rank min(m, d)", {"rank": 5}),
    ("osf-leak", "method must", {"method": "LoRA"}),
    ("pooling", "m and d must", {"m": 1}, {"layers": 0}),
    ("pooling", "strength must", {"strength": -1.0}, {"strength": inf}),
    ("pooling", "shared must", {"shared": -0.5}),
    ("removal", "rank must be 1 to 12", {"rank": 0}, {"rank": 13}),
    ("removal", "angle must be", {"angle": 91.0}),
    ("removal", "rho must stay below", {"rho": 0.9}),
    ("removal", "beta must be", {"beta": 0.0}),
    ("removal", "alignment must be", {"response": -1.0}),
    ("removal", "condition must be", {"condition": 0.5}),
    ("rerouting", "metric", {"metric": 0.5}),
    ("rerouting", "strength", {"strength": nan}),
    ("rerouting", "beta", {"beta": 0.0}),
    ("rerouting", "width", {"width": 3}),
    ("rerouting", "steps", {"steps": (10, 20)}),
    ("samples", "m, d and n must", {"m": 1}, {"n": 1}),
    ("samples", "noise must", {"noise": 0.0}, {"noise": inf}),
    ("samples", "common must", {"common": -1.0}),
    ("samples", "ranks must", {"rank": (0,)}, {"rank": (1, 41)}),
    ("self-certificate", "task must", {"task": "sparse"}),
    ("self-certificate", "m and d must", {"beta": 0.0}, {"m": 2}),
    ("self-certificate", "aside must", {"aside": -1.0}),
    ("tail", "strengths fit", {"strengths": ()}),
    ("tail", "must decrease", {"strengths": (0.5, 1.0)}),
    ("tail", "positive", {"strengths": (1.0, -0.5)}, {"beta": 0.0}, {"beta": nan}),
    ("tail", "one of the strengths", {"beta": 0.5}),
    ("tail", "components must be 1 to 3", {"components": (4,)}),
    ("tail", "components must be", {"components": ()}),
    ("theorem-1", "k must", {"m": 2}, {"k": 16}, {"k": 1, "task": "worst"}),
    ("theorem-1", "kappa must", {"beta": 0.0}, {"kappa": 1.0}, {"shared": 1.5}),
    ("theorem-1", "tau must", {"tau": -1.0}),
    ("theorem-1", "noise must", {"noise": nan}),
    ("theorem-1", "n must", {"n": 1}, {"panel": "deployment", "n": 20}),
    ("theorem-1", "steps must", {"steps": (1, 2)}, {"panel": "time"}, {"panel": "time", "steps": (2, 2)}),
    ("training-time", "rank", {"rank": 11}),
    ("training-time", "beta", {"beta": 0.0}),
    ("training-time", "step", {"step": inf}),
    ("training-time", "draw", {"draw": -1}),
    ("training-time", "times", {"times": (1.0, 0.5)}, {"times": ()}),
    ("who-wins", "response must be", {"response": -1.0}),
    ("who-wins", "task must be", {"task": inf}),
    ("who-wins", "noise must be", {"noise": nan}),
    ("who-wins", "strictly between", {"rho": 1.0}, {"rho_t": -1.2}),
    ("who-wins", "n must be at least 14", {"n": 13}),
    ("worst-case", "m and d must", {"m": 1}),
    ("worst-case", "rank must", {"rank": 0}, {"rank": 7}),
    ("worst-case", "size must", {"size": 0.0}, {"size": nan}),
]


@pytest.mark.parametrize(
    ("of", "field"), [(of, field) for of, (_, fields) in SOUND.items() for field in fields.split()]
)
def test_settings_refuse_an_unknown_choice(of, field):
    with pytest.raises(InputError, match=f"^{field} must be one of .*, got 'unknown'$"):
        replace(SOUND[of][0], **{field: "unknown"})


@pytest.mark.parametrize(("of", "words", "change"), [(*row[:2], change) for row in REFUSED for change in row[2:]])
def test_settings_refuse_what_they_cannot_mean(of, words, change):
    with pytest.raises(InputError) as refusal:
        replace(SOUND[of][0], **change)
    assert words in str(refusal.value)


def moment(d: int, **fields: Any) -> np.ndarray:
    return second_moment(InputSpec(**fields), np.eye(d)[0], rng=RNG)


def net_trained(**options: Any) -> Any:
    return train_net(NET, **({"lr": 0.1, "steps": 2} | options))


# what is called, and words of the refusal
CALLS: list[tuple[Callable[[], Any], str]] = [
    (lambda: World.draw(PersonaSpec(words=4), rng=RNG), "8 withheld facts need"),
    (lambda: Truncation(1.0, 1.0, 50.0).sample(POPULATION, 3, rng=RNG), "passes the threshold"),
    (lambda: Tilt(9.0).induced(POPULATION), "must be below 1"),
    (lambda: Tilt(9.0).sample(POPULATION, 3, rng=RNG), "must be below 1"),
    (lambda: AlwaysOn(np.zeros(7)).induced(POPULATION), "not 0"),
    (lambda: AlwaysOn(np.ones(2)).sample(POPULATION, 3, rng=RNG), "of shape"),
    (lambda: Mixture(1.5), "a share"),
    (lambda: Mixture(0.5, "other"), "opposite or independent"),
    (lambda: moment(7, kind="spiked", strength=1.0, spikes=8), "8 spikes do not fit"),
    (lambda: moment(1, kind="correlated", rho=0.1), "at least 2"),
    (lambda: moment(7, kind="activations", activations=np.ones((2, 3))), "activations of width 3"),
    (lambda: draw_inputs(np.eye(3), 0, rng=RNG), "n must be at least 1"),
    (lambda: draw_inputs(np.eye(3), 5, rng=RNG, mean=np.array([1.0, 1.0, 0.0])), "second moment about 0"),
    (lambda: draw_data(P, 3, noise=-1.0, rng=RNG), "noise must be"),
    *[(lambda s=s: draw_factors((6, 4), s, rng=RNG), "strengths") for s in ((), (1.0, -1.0), (1.0,) * 5)],
    (lambda: least_squares(X, Y[:, :2], W0=P.W0), "do not fit"),
    (lambda: least_squares(X * nan, Y, W0=P.W0), "X must be finite"),
    (lambda: least_squares(X[:, :0], Y[:, :0], W0=P.W0), "at least one sample"),
    (lambda: train_method("magic", P, A0=np.ones((2, 7))), "unknown method"),
    (lambda: train_method("naive", P, A0=np.ones((2, 7)), optimizer="adam"), "needs an lr"),
    (lambda: train_method("preventative steering", P, A0=np.ones((2, 7))), "mean"),
    (lambda: train_method("naive", [P, *problems((8, 4), 1)], A0=np.ones((2, 7))), "one shape"),
    (lambda: net_trained(method="magic"), "a method is one or several"),
    (lambda: net_trained(method="none+write"), "a method is one or several"),
    (lambda: net_trained(strength=-1.0), "strength must be finite"),
    (lambda: net_trained(u=2 * NET.u), "unit vectors"),
    (lambda: net_trained(optimizer="lion"), "unknown optimizer"),
    (lambda: net_trained(lr=0.0), "lr must be positive"),
    (lambda: net_trained(lr=1e3, steps=200), "diverged"),
]


@pytest.mark.parametrize(("call", "words"), CALLS)
def test_draws_and_training_refuse_bad_input(call, words):
    with pytest.raises(InputError) as refusal:
        call()
    assert words in str(refusal.value)
