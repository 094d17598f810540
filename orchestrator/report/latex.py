"""Turns a table or a figure into LaTeX that a paper can include."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
}  # fmt: skip
MATHS = {
    "≤": r"\leq", "≥": r"\geq", "±": r"\pm", "×": r"\times", "√": r"\surd", "∞": r"\infty", "→": r"\to", "·": r"\cdot",
    "≈": r"\approx", "Δ": r"\Delta", "α": r"\alpha", "β": r"\beta", "γ": r"\gamma", "δ": r"\delta", "ε": r"\varepsilon",
    "λ": r"\lambda", "μ": r"\mu", "π": r"\pi", "σ": r"\sigma", "τ": r"\tau", "θ": r"\theta", "φ": r"\varphi", "ω": r"\omega",
    "ℓ": r"\ell", "−": "-", "²": "^2", "³": "^3",
}  # fmt: skip
SIGNS = {**SPECIAL, **{sign: f"${command}$" for sign, command in MATHS.items()}, "…": r"\ldots{}"}
LONG = 40
"""Rows from which a table may break over pages."""
WIDE = 32
"""Letters from which a column is set in lines."""


def escaped(text: str) -> str:
    """The text with LaTeX's own signs and the mathematical ones that fonts lack written out; a line break is a space."""
    return "".join(SIGNS.get(letter, letter) for letter in re.sub(r"\s+", " ", text).strip())


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], caption: str) -> str:
    """A table with booktabs' rules; over pages (longtable) where it is long. Needs the packages booktabs and longtable."""
    cells = [[_cell(value) for value in row] for row in rows]
    forms = "".join(_form([row[i] for row in rows]) for i in range(len(columns)))
    head = " & ".join(escaped(name) for name in columns) + r" \\"
    body = [" & ".join(row) + r" \\" for row in cells]
    if len(rows) > LONG:
        begin = [rf"\begin{{longtable}}{{{forms}}}", rf"\caption{{{escaped(caption)}}} \\", r"\toprule", head, r"\midrule"]
        lines = [*begin, r"\endhead", *body, r"\bottomrule", r"\end{longtable}"]
    else:
        top = [r"\begin{table}", r"\centering", rf"\caption{{{escaped(caption)}}}", rf"\begin{{tabular}}{{{forms}}}"]
        lines = [*top, r"\toprule", head, r"\midrule", *body, r"\bottomrule", r"\end{tabular}", r"\end{table}"]
    return "\n".join(["% needs \\usepackage{booktabs,longtable}", *lines, ""])


def figure(name: str, title: str, caption: str) -> str:
    """A figure with its caption and a label, over the PDF of that name."""
    lines = [r"\begin{figure}", r"\centering", rf"\includegraphics[width=\linewidth]{{{name}.pdf}}"]
    lines += [rf"\caption{{{escaped(title)}. {escaped(caption)}}}", rf"\label{{fig:{name}}}", r"\end{figure}", ""]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if value is None:
        return "--"
    if isinstance(value, float):
        return _number(value)
    return escaped(str(value))


def _number(value: float) -> str:
    """Four digits; powers of ten as such."""
    digits, _, power = f"{value:.4g}".partition("e")
    return rf"${digits} \cdot 10^{{{int(power)}}}$" if power else escaped(digits)


def _form(values: Sequence[Any]) -> str:
    """How a column is set: numbers to the right, long text in lines."""
    if any(isinstance(value, str) and len(value) > WIDE for value in values):
        return r"p{0.2\linewidth}"
    return "r" if values and all(value is None or isinstance(value, int | float) for value in values) else "l"
