"""The errors of the toolkit: each says what was expected, what came, and what to do."""


class GraspError(ValueError):
    """Any refusal by this toolkit; the command line prints it on one line and exits with code 2."""


class InputError(GraspError):
    """An argument has the wrong type, shape, range or is not finite."""


class AssumptionError(GraspError):
    """A statement was asked about an instance that breaks one of its assumptions."""


class AdapterError(GraspError):
    """An adapter folder is missing, damaged or contradicts itself."""


class UnsupportedAdapterError(AdapterError):
    """A sound checkpoint whose update is not scaling * B @ A, refused with the reason."""
