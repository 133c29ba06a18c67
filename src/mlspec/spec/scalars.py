"""The scalars of the language: each is one pattern, one example, and says the same to pydantic and to JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any

from pydantic_core import PydanticCustomError, core_schema

REFERENCE = r"\$\{[a-z]+\."
"""Where a reference is allowed, a string that holds one is accepted until it is resolved."""


class Form:
    """One scalar of the language: a check in Python and the JSON Schema that accepts the same values."""

    def __init__(self, check: Callable[[Any], Any], schema: dict[str, Any]) -> None:
        self.check, self.schema = check, schema

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        return dict(self.schema)


def show(value: Any) -> str:
    """Return a value as a message shows it, in a few words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a map"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        text = value if len(value) <= 60 else value[:57] + "..."
        return f'"{text}"'.replace("\n", "\\n")
    return f"the number {value}"


def text_scalar(
    expected: str,
    pattern: str | None = None,
    *,
    example: str = "",
    references: bool = True,
    maximum: int | None = None,
    number: str | None = None,
    above: Decimal | None = None,
    below: Decimal | None = None,
    kind: str = "value",
) -> Form:
    """Build a scalar that is a string of a pattern and, with ``number``, may be a number too.

    ``number`` is ``any`` (zero or more, open bounds ``above`` and ``below``) or ``signed``. ``kind`` sorts the error: ``value``,
    ``name`` (its grammar is that of names) or ``text`` (any string).
    """
    full = None if pattern is None else (f"^(?:{pattern})$" if not references else f"^(?:{pattern})$|{REFERENCE}")
    search = None if full is None else re.compile(full.replace("$", r"\Z") if not references else f"^(?:{pattern})\\Z|{REFERENCE}").search
    schema: dict[str, Any] = {"type": "string"}
    if full is not None:
        schema["pattern"] = full
    if maximum is not None:
        schema["maxLength"] = maximum
    if number is not None:
        numeric: dict[str, Any] = {"type": "number"}
        if number == "any" and above is None:
            numeric["minimum"] = 0
        if above is not None:
            numeric["exclusiveMinimum"] = int(above)
        if below is not None:
            numeric["exclusiveMaximum"] = int(below)
        schema = {"anyOf": [schema, numeric]}

    def check(value: Any) -> Any:
        if isinstance(value, str):
            if (search is None or search(value)) and (maximum is None or len(value) <= maximum):
                return value
        elif number is not None and isinstance(value, int | Decimal) and not isinstance(value, bool):
            if (number == "signed" or value >= 0) and (above is None or value > above) and (below is None or value < below):
                return value
        elif isinstance(value, int | Decimal) and not isinstance(value, bool) and number is None and (search is None or search(str(value))):
            raise PydanticCustomError(
                "text", "found {shown}, expected {expected}", {"shown": show(value), "expected": expected, "quote": f'"{value}"'}
            )
        raise PydanticCustomError(
            kind,
            "found {shown}, expected {expected}",
            {"shown": show(value), "expected": expected, "example": example, "typed": str(type(value).__name__)},
        )

    return Form(check, schema)


def _whole(minimum: int, maximum: int) -> Callable[[Any], Any]:
    expected = f"a whole number from {minimum} to {maximum}"

    def check(value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            if minimum <= value <= maximum:
                return value
            raise PydanticCustomError("range", "found {shown}, expected {expected}", {"shown": str(value), "expected": expected})
        if isinstance(value, str) and re.search(REFERENCE, value):
            return value
        raise PydanticCustomError(
            "type", "found {shown}, expected {expected}", {"shown": show(value), "expected": expected, "typed": type(value).__name__}
        )

    return check


def whole(minimum: int, maximum: int) -> Form:
    """Build a whole number within bounds, both included; a reference stands for one."""
    schema = {"anyOf": [{"type": "integer", "minimum": minimum, "maximum": maximum}, {"type": "string", "pattern": REFERENCE}]}
    return Form(_whole(minimum, maximum), schema)


def _flag(value: Any) -> Any:
    if isinstance(value, bool) or (isinstance(value, str) and re.search(REFERENCE, value)):
        return value
    raise PydanticCustomError("flag", "found {shown}, expected true or false", {"shown": show(value), "expected": "true or false"})


def _free(value: Any) -> Any:
    if isinstance(value, bool | int | Decimal | str):
        return value
    raise PydanticCustomError(
        "type",
        "found {shown}, expected text, a number, true or false",
        {"shown": show(value), "expected": "text, a number, true or false", "typed": "scalar"},
    )


def _map_or_null(value: Any) -> Any:
    if value is None or isinstance(value, dict):
        return value
    raise PydanticCustomError(
        "type", "found {shown}, expected a map", {"shown": show(value), "expected": "a map, or null to remove the section", "typed": "map"}
    )


LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
NAME = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
ID = r"[A-Za-z_][A-Za-z0-9_-]{0,62}"
DURATION = (
    r"(?=[0-9])(?=.*[1-9])(?:[0-9]{1,6}y)?(?:[0-9]{1,6}w)?(?:[0-9]{1,6}d)?(?:[0-9]{1,6}h)?(?:[0-9]{1,6}m)?(?:[0-9]{1,6}s)?(?:[0-9]{1,9}ms)?"
)
PERCENT = r"(?:100(?:\.0+)?|[0-9]{1,2}(?:\.[0-9]{1,12})?)%"
DNS = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)*"

Bool = Annotated[Any, Form(_flag, {"anyOf": [{"type": "boolean"}, {"type": "string", "pattern": REFERENCE}]})]
Change = Annotated[Any, Form(_map_or_null, {"type": ["object", "null"]})]
Scalar = Annotated[Any, Form(_free, {"type": ["string", "number", "boolean"]})]
Name = Annotated[
    Any, text_scalar("a name: lower-case letters, digits and dashes, at most 63", NAME, example="churn-api", references=False, kind="name")
]
Id = Annotated[
    Any,
    text_scalar(
        "an identifier: letters, digits, _ and -, not beginning with a digit, at most 63",
        ID,
        example="customer_id",
        references=False,
        kind="name",
    ),
]
EnvName = Annotated[
    Any,
    text_scalar(
        "the name of an environment variable: letters, digits and _",
        r"[A-Za-z_][A-Za-z0-9_]{0,252}",
        example="LOG_LEVEL",
        references=False,
        kind="name",
    ),
]
Text = Annotated[Any, text_scalar("text", kind="type")]
Line = Annotated[Any, text_scalar("one line of text", r"[^\r\n]+", kind="value")]
Label = Annotated[
    Any,
    text_scalar("a line that can be a label: letters, digits, '.', '_' and '-', at most 63", LABEL, example="growth-ml", references=False),
]
Version = Annotated[Any, text_scalar("a version: letters, digits, '.', '_' and '-', at most 63", LABEL, example="2.3.0")]
Duration = Annotated[Any, text_scalar("a duration, largest unit first", DURATION, example="30s, 5m, 1h30m, 30d")]
Ratio = Annotated[
    Any,
    text_scalar(
        "a ratio: 0% to 100%, or a decimal between 0 and 1 with a dot",
        PERCENT,
        example="1% or 0.01",
        number="any",
        above=Decimal(0),
        below=Decimal(1),
    ),
]
Cpu = Annotated[
    Any,
    text_scalar(
        "a quantity of cpu above 0",
        r"[0-9]{1,6}m|[0-9]{1,6}(?:\.[0-9]{1,3})?",
        example="500m or 2",
        number="any",
        above=Decimal(0),
        below=Decimal(1000000),
    ),
]
Memory = Annotated[
    Any,
    text_scalar(
        "a quantity of bytes above 0",
        r"[0-9]{1,15}(?:\.[0-9]{1,6})?(?:[kMGTPE]|[KMGTPE]i)?",
        example="512Mi or 4Gi",
        number="any",
        above=Decimal(0),
        below=Decimal(10**18),
    ),
]
Bound = Annotated[
    Any,
    text_scalar(
        "a bound: a number, a ratio such as 1%, or a duration such as 80ms",
        rf"-?[0-9]{{1,12}}(?:\.[0-9]{{1,12}})?%|{DURATION}",
        example="0.86, 1% or 80ms",
        number="signed",
    ),
]
Number = Annotated[Any, text_scalar("a number", r"(?!)", example="20 or 0.5", number="signed")]
Image = Annotated[Any, text_scalar("a container image", r"[^\s\"'`]+", example="ghcr.io/acme/train:5.1.0@sha256:...")]
Uri = Annotated[Any, text_scalar("a URI", r"[a-z][a-z0-9+.-]*://[^\s\"'`<>]+", example="s3://bucket/path")]
Url = Annotated[Any, text_scalar("an http or https URL", r"https?://[^\s\"'`<>]+", example="https://example.org/path")]
Host = Annotated[
    Any,
    text_scalar(
        "a host name: lower-case letters, digits, dashes and dots, at most 253", rf"(?=.{{1,253}}$){DNS}", example="churn.acme.example"
    ),
]
HttpPath = Annotated[Any, text_scalar("a path that begins with /", r"/[^\s\"'`<>?#]*", example="/v1")]
Cron = Annotated[
    Any, text_scalar("a schedule of five fields, or @hourly and its kin", r"@[a-z]+|[^\s]+(?: +[^\s]+){4}", example="0 3 * * 1")
]
Date = Annotated[Any, text_scalar("a date", r"[0-9]{4}-[0-9]{2}-[0-9]{2}", example="2027-03-31")]
RepoPath = Annotated[
    Any,
    text_scalar(
        "a path relative to the spec, with / between its parts",
        r"[^\s\\:*?\"<>|/~][^\r\n\\:*?\"<>|]*",
        example="base/company.yaml",
        references=False,
    ),
]
Argument = Annotated[Any, text_scalar("text", kind="type")]
SecretKey = Annotated[
    Any,
    text_scalar(
        "a key of a secret, as secret/key", r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?/[-._a-zA-Z0-9]{1,253}", example="hf-token/token"
    ),
]
SecretKeyOrName = Annotated[
    Any,
    text_scalar(
        "a secret, or a key of one as secret/key",
        r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?(?:/[-._a-zA-Z0-9]{1,253})?",
        example="slack-hook/url",
    ),
]
SecretName = Annotated[Any, text_scalar("the name of a secret", r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?", example="hf-token")]
StepReference = Annotated[
    Any, text_scalar("a reference to a step's output", r"steps\.[a-z0-9-]+\.[A-Za-z0-9_-]+", example="steps.train.model", references=False)
]
InputReference = Annotated[
    Any,
    text_scalar(
        "a reference: datasets.NAME, models.NAME, params.NAME or steps.STEP.OUTPUT",
        r"(?:datasets|models|params)\.[A-Za-z0-9_-]+|steps\.[a-z0-9-]+\.[A-Za-z0-9_-]+",
        example="datasets.customers",
        references=False,
    ),
]
