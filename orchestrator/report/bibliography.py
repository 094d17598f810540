"""Finds the BibTeX entries of the papers that a sweep names as its source."""

from __future__ import annotations

import re

from orchestrator import shipped
from orchestrator.spec import Spec

ARXIV = re.compile(r"\b\d{4}\.\d{4,5}\b")
ENTRY = re.compile(r"^@\w+\{.*?^\}$", re.M | re.S)


def citations(spec: Spec) -> str:
    """The BibTeX entries of all arXiv papers that the sweep file names, in the order of their numbers."""
    numbers = set(ARXIV.findall(spec.text or "")) | set(ARXIV.findall(spec.source or ""))
    entries = {
        match[1]: entry for entry in ENTRY.findall(bibliography()) if (match := re.search(r"eprint *= *\{(.+?)\}", entry))
    }
    return "\n\n".join(entries[paper] for paper in sorted(numbers & entries.keys())) + "\n"


def bibliography() -> str:
    """All entries that come with the package."""
    return (shipped.folder("sweeps") / "sources.bib").read_text(encoding="utf-8")
