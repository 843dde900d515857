"""The rule of the verdict: its numbers and its words, in one place."""

from __future__ import annotations

RATIO = 1.5  # a component is separated when it is this many times the next one
P_VALUE = 0.01  # of the agreement between layers
SPREAD = 2.0  # effective number of layers that a pooled component must be made of

RULE = (
    f"A component counts when it lies above the noise floor, is at least {RATIO:g} times the next singular value, the "
    f"leading directions of the layers agree with p < {P_VALUE:g} once stronger components are taken out, and, if "
    f"pooled, it is made of at least {SPREAD:g} layers (effective number). Stronger components of the same group that "
    "pass all but the ratio count with it. What was not estimated is not passed; agreement is not estimated after a "
    "component that fails it. Where training has hardly begun nothing counts."
)
CAVEAT = (
    "Standing out is not being spurious: the spectrum cannot tell a shortcut from the task, and a weak shortcut sits "
    "in the tail. Which component is unintended is a hypothesis, to be tested on behaviour."
)

# What a report tells beside it, where it applies.
NOTE_CONVERGED = (
    "The noise floor takes B to be signal plus independent noise and A as it stands, as early in training; "
    "after a converged fit the floor and the strength that could have been seen are indicative only."
)
NOTE_CERTIFICATE = (
    "Certificates speak about the matrix that was decomposed. After a LoRA run on correlated inputs the weights alone "
    "are not the whitened update, and the bound can fail; decompose dW X where inputs are at hand."
)
NOTE_READ = (
    "Read side without the base model: the norm's gains are unknown and A is near its random start; the value path "
    "writes to the stream only through the output projection."
)
NOTE_SEPARATE = (
    "Every module is decomposed by itself; one test of agreement, over all modules of a width, serves them all."
)
NOTE_EARLY = (
    "No verdict: training has hardly begun. The first steps of Adam leave the signs of one gradient, which the layers "
    "share, far above a floor of independent noise."
)
NOTE_UNKNOWN = "The module names tell neither the write nor the read side: {} directions of each module by itself."
