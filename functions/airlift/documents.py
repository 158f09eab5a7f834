"""Documents that people write, the recovery plan and the console's input: how they are read and refused.

A field is camelCase in the document and snake_case in Python. Nothing is guessed: an unknown field, a number
where text belongs or a name in the wrong case is a problem with its place and its remedy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from airlift.values import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

Path = tuple[str | int, ...]
Severity = Literal["error", "warning"]


class Document(BaseModel):
    """Base of everything read from a document: strict, closed and not to be changed.

    A cold start is kept short: a model is built when it is first used, and the docstrings of attributes, for which
    pydantic would parse the source each time, are read for the published schemas alone (`airlift_cli.schemas`).
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        strict=True,
        defer_build=True,
        allow_inf_nan=False,
    )


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in a document: where, what, and how it is put right."""

    path: Path
    what: str
    remedy: str
    severity: Severity = "error"

    @property
    def where(self) -> str:
        """The path as people write it, for example `accounts[0].vaults[1].arn`."""
        text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        return text.removeprefix(".") or "(the whole document)"

    def __str__(self) -> str:
        return f"{self.where}: {self.what} {self.remedy}"


def shown(value: object) -> str:
    """The value as it may stand in a message: escaped, and cut, since anybody may have written it."""
    text = ascii(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`Did you mean "x"?` if a known word is close, else the list of all of them."""
    words = sorted(known)
    close = nearest(word, words)
    return f'Did you mean "{close}"?' if close else f"Known here: {', '.join(words)}."


def repeated(values: Iterable[tuple[Path, str]], what: str) -> Iterator[Problem]:
    """A problem for each value that is there more than once, with its path; `what` says what it is twice."""
    seen = set()
    for path, value in values:
        if value in seen:
            yield Problem(path, f"{value} is {what} twice.", "Remove one of them.")
        seen.add(value)


def refuse(what: str, remedy: str, *, field: str | None = None) -> PydanticCustomError:
    """The error for a validator to raise; `field`, as the document spells it, says where."""
    return PydanticCustomError("refused", "{what}", {"what": what, "remedy": remedy, "field": field})


def told(subject: str, problems: Sequence[Problem]) -> str:
    """All problems of `subject` in one text."""
    if len(problems) == 1:
        return f"{subject} has a problem: {problems[0]}"
    numbered = (f"({number}) {problem}" for number, problem in enumerate(problems, start=1))
    return f"{subject} has {len(problems)} problems: {' '.join(numbered)}"


_REMEDIES: Mapping[str, tuple[str, str]] = {
    "missing": ("This field is missing.", "Add it."),
    "string_type": ("Text is expected here.", "Put the value in quotes."),
    "string_too_short": ("This is empty.", "Give it a value."),
    "string_too_long": ("This has more than {max_length} characters.", "Shorten it."),
    "bool_type": ("true or false is expected here.", "Write true or false, without quotes."),
    "int_type": ("A whole number is expected here.", "Write it without quotes."),
    "int_from_float": ("A whole number is expected here.", "Write it without a fraction."),
    "float_type": ("A number is expected here.", "Write it without quotes."),
    "tuple_type": ("A list is expected here.", "Write it as a list, even if it holds one thing."),
    "too_short": ("At least {min_length} must be given here.", "Add one or remove the field."),
    "too_long": ("At most {max_length} may be given here.", "Remove some."),
    "greater_than": ("This must be more than {gt}.", "Raise it."),
    "greater_than_equal": ("This must be {ge} or more.", "Raise it."),
    "less_than": ("This must be less than {lt}.", "Lower it."),
    "less_than_equal": ("This must be {le} or less.", "Lower it."),
    "literal_error": ("Only {expected} may stand here.", "Correct it."),
    "model_type": ("Fields with values are expected here.", "Write them as a group."),
    "dict_type": ("Fields with values are expected here.", "Write them as a group."),
}


def problems_of(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """Every problem pydantic found while reading `model`, in the words of a person."""
    details = error.errors(include_url=False)
    paths = [detail["loc"] for detail in details]

    def only_follows(detail: ErrorDetails) -> bool:
        # A broken member doesn't count as one, so pydantic also finds its list too short.
        path = detail["loc"]
        return detail["type"] == "too_short" and any(
            len(other) > len(path) and other[: len(path)] == path for other in paths
        )

    return [_problem(detail, model) for detail in details if not only_follows(detail)]


def _problem(detail: ErrorDetails, model: type[BaseModel]) -> Problem:
    kind, path, context = detail["type"], tuple(detail["loc"]), detail.get("ctx", {})
    if kind == "extra_forbidden":
        known = [field.alias or name for name, field in _model_at(model, path[:-1]).model_fields.items()]
        return Problem(path, "This field is unknown.", did_you_mean(str(path[-1]), known))
    if kind == "refused":
        field = context["field"]
        return Problem((*path, field) if field else path, context["what"], context["remedy"])
    what, remedy = _REMEDIES.get(kind, (f"{detail['msg']}.", "Correct the value."))
    return Problem(path, what.format_map(context), remedy)


def _model_at(model: type[BaseModel], path: Path) -> type[BaseModel]:
    """The model that stands at `path`; positions in lists and keys of open groups are passed over."""
    for step in path:
        for name, field in model.model_fields.items():
            if step == (field.alias or name):
                model = next(_models_in(field.annotation), model)
                break
    return model


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
