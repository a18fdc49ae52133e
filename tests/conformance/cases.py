"""Every case there is."""

from tests.conformance import doors, frames
from tests.conformance.rules import CASES, Case

__all__ = ["CASES", "Case", "doors", "frames"]
