"""Tables as data, what prints them, and one file for each subject they are of."""

from .table import Table as Table
from .terminal import console as console
from .terminal import number as number
from .terminal import progress as progress
from .terminal import show as show
