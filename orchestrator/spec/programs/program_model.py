"""What a sweep file may say of a program that it measures: the command, its params and its results."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from orchestrator.spec.field_types import Real, Section, Text, wrong
from orchestrator.workload.commands.keys import KEYS

Plain = bool | int | float | str


class ProgramColumn(Section):
    """A param or a result of a command."""

    type: Annotated[str | None, Field(description="float, int, bool or str; a float where nothing is said")] = None
    says: Annotated[Text | None, Field(description="what it is, in a sentence")] = None
    unit: Annotated[str | None, Field(description="its unit")] = None


class ProgramParam(ProgramColumn):
    """A param of a command."""

    default: Annotated[Plain | None, Field(description="its value where none is stated_keys")] = None
    one_of: Annotated[tuple[Plain, ...] | None, Field(description="the only values that it may have")] = None
    at_least: Annotated[Real | None, Field(description="its least value")] = None
    above: Annotated[Real | None, Field(description="what it must be larger than")] = None
    at_most: Annotated[Real | None, Field(description="its largest value")] = None
    below: Annotated[Real | None, Field(description="what it must be smaller than")] = None
    shape: Annotated[bool | None, Field(description="whether it decides what a point costs")] = None


class ProgramResult(ProgramColumn):
    """A result of a command."""

    aggregate: Annotated[str | None, Field(description="how seeds combine: mean, median, rms, max, …")] = None
    bound: Annotated[str | None, Field(description="exact, lower or upper")] = None
    range: Annotated[tuple[Real | None, Real | None] | None, Field(description="its least and its largest possible value")] = (
        None
    )
    optional: Annotated[bool | None, Field(description="whether the last row may lack it")] = None
    match: Annotated[
        str | None, Field(description="a pattern with a group of its name, searched in each line of standard output")
    ] = None


class Called(Section):
    """The part of a sweep file that is there where a program is measured; `workload` is then the file itself."""

    command: Annotated[
        str | tuple[str, ...] | None,
        Field(description="the program and its words, with {param}, {seed} and {device}; no shell runs it"),
    ] = None
    params: Annotated[dict[str, ProgramParam | None], Field(default_factory=dict, description="what the command takes")]
    results: Annotated[dict[str, ProgramResult | None], Field(default_factory=dict, description="what the command gives")]
    env: Annotated[
        dict[str, str],
        Field(default_factory=dict, description="variables that the command finds, with placeholders as in 'command'"),
    ]
    cwd: Annotated[str | None, Field(description="the folder it runs in, from the sweep's own")] = None
    stdin: Annotated[str | None, Field(description="params.json: all params and the seed as JSON on standard input")] = None
    code: Annotated[tuple[str, ...], Field(description="files that the results depend on, as patterns such as src/*.py")] = ()
    version: Annotated[int | None, Field(description="the command's version; else one made of what its files hold")] = None
    measures: Annotated[str | None, Field(description="value, sample or cost")] = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        stated_keys = [key for key in KEYS if key in self.model_fields_set and getattr(self, key) is not None]
        if self.command is None:
            if stated_keys:
                raise wrong(
                    f"'{stated_keys[0]}' must stand beside 'command', but there is none; write it, or name a workload.",
                    stated_keys[0],
                )
            return self
        # Columns need NumPy, which the reading of a spec without a command does not wait for.
        from orchestrator.workload.commands.definition import Misstated, definition

        try:
            definition(self.described())
        except Misstated as fault:
            raise wrong(fault.text, *fault.keys) from fault
        return self

    def described(self) -> dict[str, Any]:
        """The command's keys as a file has them."""
        dumped = self.model_dump(mode="json", include=set(KEYS), exclude_unset=True)
        return {key: value for key, value in dumped.items() if value is not None}
