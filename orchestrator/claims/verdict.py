"""Turns findings about groups of rows into the verdict of a claim: a word, an interval, a sentence and the way to check it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator import answers
from orchestrator.wording import shown, span

WORDS = ("supported", "refuted", "undecided", "unmet")
LIMITED = "optimisation-limited"
"""How a reason begins where a floor that is not the theory's keeps a claim from being judged."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What the rows of one group say: `verdict` is one of WORDS, `numbers` are JSON values, `reasons` are sentences."""

    verdict: str
    sentence: str
    group: dict[str, Any] = field(default_factory=dict)
    numbers: dict[str, Any] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The answer to one claim, as it is saved and printed.

    `kind` is the name of the claim's kind; `expected` is the claim's condition in words; `basis` (quoted, reviewed, recalled,
    derived, measured, hypothesis) and `source` say whose claim it is; `sentence` has the numbers; `sql` gives the rows;
    `failed` counts rows without a result by status; `level` is that of each interval after the correction for many; `changed`
    says what changed after data were seen, or nothing; `foreseen` is the verdict that the sweep was made to show, or nothing;
    `findings` are the groups; `claim_hash` is of the claim's words, `meaning` of these, its formulas, fixed params and axes;
    `fault` is what the claim's judge raised, which is a mistake of the program, or nothing.
    """

    id: str
    says: str
    kind: str
    verdict: str
    expected: str
    basis: str
    source: str
    sentence: str
    numbers: dict[str, Any]
    sql: str
    rows: int
    seeds: int
    size: str
    failed: dict[str, int]
    level: float
    claim_hash: str
    changed: str = ""
    reasons: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    foreseen: str = ""
    meaning: str = ""
    fault: str = ""

    def record(self) -> dict[str, Any]:
        """The verdict as JSON values; a number that is not finite is a text, as `jsonable` has it."""
        plain = jsonable(dataclasses.asdict(self))
        assert isinstance(plain, dict)
        return plain


def alarming(record: Mapping[str, Any]) -> bool:
    """Whether a verdict is not the one to count on: refuted though nobody foresaw that, or supported against what was."""
    return bool(record["verdict"] == ("supported" if record.get("foreseen") == "refuted" else "refuted"))


def exit_code(records: Iterable[Mapping[str, Any]], strict: bool = False) -> int:
    """3 where a claim's judge raised, with `strict` 1 where a claim is not as it was counted on, else 0."""
    verdicts = list(records)
    return 3 if faults(verdicts) else int(strict and any(map(alarming, verdicts)))


def faults(records: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """A sentence for each claim that has no verdict because its judge raised."""
    return tuple(
        f"claims.{record['id']}: {record['fault']}; this claim is undecided, the others were judged: mend its rows or report it"
        for record in records
        if record.get("fault")
    )


ENDS = {"estimate": math.nan, "low": -math.inf, "high": math.inf, "expected_low": -math.inf, "expected_high": math.inf}
"""What the numbers of an interval are where an older version, which had no infinity in JSON, wrote null."""


def opened(value: Any) -> Any:
    """The numbers of a record with those that are not finite as numbers, and open ends of intervals as infinities."""
    if not isinstance(value, Mapping):
        return answers.WILD.get(value, value) if isinstance(value, str) else value
    decoded = {key: opened(item) for key, item in value.items()}
    absent = {key: end for key, end in ENDS.items() if decoded.get(key, end) is None} if "estimate" in decoded else {}
    return {**decoded, **absent}


def restore(record: dict[str, Any]) -> Verdict:
    """The verdict of a record that `Verdict.record` made."""
    restored = [{**f, "reasons": tuple(f["reasons"]), "numbers": opened(f["numbers"])} for f in record["findings"]]
    findings = tuple(Finding(**finding) for finding in restored)
    return Verdict(**{**record, "reasons": tuple(record["reasons"]), "findings": findings})


def jsonable(value: Any) -> Any:
    """A value of dicts, lists, numpy numbers and scalars as JSON holds it, NaN and infinities as the texts of `answers`."""
    if isinstance(value, dict):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    value = answers.plain(value)
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def summary_parts(numbers: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any] | None]]:
    """A group's numbers in few words, each with its interval where it has one: estimates, contests, rows that hold.

    They may be those of a record.
    """
    numbers = opened(numbers)
    parts: list[tuple[str, Mapping[str, Any] | None]] = [
        (f"{name} {shown(n['estimate'])} {span(n['low'], n['high'])}", n)
        for name, n in numbers.items()
        if isinstance(n, Mapping) and "estimate" in n
    ]
    parts += [
        (f"ΔAICc {contest['aicc']:+.1f} over {contest['rival']}", None) for contest in (numbers.get("contests") or [[]])[0]
    ]
    if "broken" in numbers:
        things = "entries" if "entries" in numbers else "rows"
        parts.append((f"{numbers['rows'] - numbers['broken']} of {numbers['rows']} {things}", None))
    return parts


def combine(words: list[str]) -> str:
    """The verdict over groups: refuted where one is, else unmet or undecided where one is, supported where all are."""
    for word in ("refuted", "undecided", "unmet"):
        if word in words:
            return word
    return "supported" if words else "unmet"


OWNERS = {
    "quoted": "The paper's claim ({source})",
    "measured": "A threshold that came from data and speaks for no theory ({source})",
    "hypothesis": "A rule of thumb ({source})",
    "": "Our own expectation",
}
"""Whose claim it is, by its basis; of any other basis it is our reading of the source."""
THEORY = "of theory"
APART = {"measured": "with a threshold from data", "hypothesis": "of rules of thumb", "": "without a basis"}
"""How claims are counted that are no theory's, by their basis."""


def owner(basis: str, source: str) -> str:
    """Whose claim it is: only a quoted statement is called the paper's, and what came from data supports no theory."""
    return OWNERS.get(basis, "Our reading of {source}").format(source=source)


def tallies(bases_and_words: Iterable[tuple[str, str]]) -> list[tuple[str, dict[str, int]]]:
    """How many verdicts there are of each word: of claims of theory, and apart from them of each basis that is none."""
    counts: dict[str, dict[str, int]] = {label: {} for label in (THEORY, *APART.values())}
    for basis, word in bases_and_words:
        verdict_words = counts[APART.get(basis, THEORY)]
        verdict_words[word] = verdict_words.get(word, 0) + 1
    return [(label, verdict_words) for label, verdict_words in counts.items() if verdict_words]


def check_tally(checks: Sequence[Mapping[str, Any]]) -> str:
    """How many of the saved checks pass and are broken, in words; they are no verdicts."""
    words = [{"passes": "pass"}.get(check["check"], str(check["check"])) for check in checks]
    return ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))


def tally_text(counts: Sequence[tuple[str, Mapping[str, int]]]) -> str:
    """The counts in words: `2 of theory: 2 supported; 1 of rules of thumb: 1 refuted`; of theory alone only `2 supported`."""
    only_theory = len(counts) == 1 and counts[0][0] in (THEORY, APART[""])
    parts = []
    for label, words in counts:
        opening = "" if only_theory else f"{sum(words.values())} {label}: "
        parts.append(opening + ", ".join(f"{number} {word}" for word, number in words.items()))
    return "; ".join(parts)
