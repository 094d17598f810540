"""Prints how this tree reads: how long its modules and functions are, what is typed, what is documented."""

from __future__ import annotations

import ast
import io
import statistics
import tokenize
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
TREES = ("orchestrator", "workloads", "dashboards", "benchmarks", "tests")
BRANCHES = (ast.If, ast.For, ast.While, ast.ExceptHandler, ast.BoolOp, ast.IfExp, ast.comprehension, ast.match_case)
Function = ast.FunctionDef | ast.AsyncFunctionDef


def sources(tree: str) -> list[str]:
    """Text of every module in a tree."""
    return [path.read_text() for path in sorted((ROOT / tree).rglob("*.py"))]


def documented(node: ast.AST) -> bool:
    """Whether a module, class or function has a docstring."""
    return isinstance(node, (ast.Module, ast.ClassDef, Function)) and ast.get_docstring(node) is not None


def functions(module: ast.Module) -> list[Function]:
    """All functions of a module, inner ones too."""
    return [node for node in ast.walk(module) if isinstance(node, Function)]


def length(function: Function) -> int:
    """Lines of a function's body, its docstring left out."""
    body = function.body[1:] if documented(function) else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


def slots(function: Function) -> Iterator[bool]:
    """Of every argument and the result, whether it has a type."""
    given = function.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs, *filter(None, (given.vararg, given.kwarg))]
    yield from (a.annotation is not None for a in named if a.arg not in ("self", "cls"))
    yield function.returns is not None


def lines(text: str, module: ast.Module) -> tuple[int, int, int]:
    """How many lines of a module are code, docstrings and comments."""
    holders = [node for node in ast.walk(module) if documented(node)]
    said = sum((h.body[0].end_lineno or 0) - h.body[0].lineno + 1 for h in holders)  # type: ignore[attr-defined]
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    skipped = (tokenize.NL, tokenize.NEWLINE, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    full = {row for token in tokens if token.type not in skipped for row in range(token.start[0], token.end[0] + 1)}
    return len(full) - said, said, sum(token.type == tokenize.COMMENT for token in tokens)


def quantile(values: Sequence[int], share: float) -> int:
    """The value below which that share of the values lies."""
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]


def public(module: ast.Module) -> Iterator[bool]:
    """Of every public function and class of a module, whether it is documented."""
    nodes = [node for node in ast.walk(module) if isinstance(node, (ast.ClassDef, Function))]
    yield from (documented(node) for node in nodes if not node.name.startswith("_"))


def share(found: Sequence[bool]) -> str:
    """A percentage of those that are true."""
    return f"{100 * sum(found) / len(found):.1f} %" if found else "-"


def figures(tree: str) -> dict[str, str]:
    """The figures of one tree, by name."""
    texts = sources(tree)
    modules = [ast.parse(text) for text in texts]
    made = [function for module in modules for function in functions(module)]
    long, tall = [length(f) for f in made], [text.count("\n") for text in texts]
    branches = [sum(isinstance(node, BRANCHES) for node in ast.walk(f)) for f in made]
    code, said, comments = (sum(column) for column in zip(*map(lines, texts, modules), strict=True))
    return {
        "code lines": f"{code:,}",
        "module lines, median and most": f"{statistics.median(tall):.0f}, {max(tall)}",
        "function lines, median, 90 % and most": f"{statistics.median(long):.0f}, {quantile(long, 0.9)}, {max(long)}",
        "functions over 10 branches": share([count > 10 for count in branches]),
        "typed": share([typed for f in made for typed in slots(f)]),
        "docstring lines a code line": f"{said / code:.2f}",
        "comments a code line": f"{comments / code:.2f}",
        "public names documented": share([known for module in modules for known in public(module)]),
    }


def main() -> None:
    """Print the figures of every tree that has modules, side by side."""
    shown = {tree: figures(tree) for tree in TREES if any("def " in text for text in sources(tree))}
    print(f"{'':38}" + "".join(f"{tree:>16}" for tree in shown))
    for name in next(iter(shown.values())):
        print(f"{name:38}" + "".join(f"{row[name]:>16}" for row in shown.values()))


if __name__ == "__main__":
    main()
