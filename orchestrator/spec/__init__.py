"""From the text of a sweep file to a typed, checked Spec."""

from orchestrator.spec.parsing import parse, read, shipped
from orchestrator.spec.sweep_model import Spec

__all__ = ["Spec", "parse", "read", "shipped"]
