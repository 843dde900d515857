"""``python -m grasp_cli``."""

from . import main

main()
