"""The false variants of the statements: no two alike, and the larger part written blind."""

from __future__ import annotations
