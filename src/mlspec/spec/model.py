"""What every model of the language has in common: closed, frozen, strict, spelled in camelCase."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Discriminator, Field
from pydantic.alias_generators import to_camel

from mlspec.spec.scalars import Name


def optional(**options: Any) -> Any:
    """Declare a field that may be left out. Left out is not null: a null is refused by the field's own type."""
    return Field(None, **options)


class Model(BaseModel):
    """A map of the language with a fixed set of keys."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        alias_generator=to_camel,
        validate_by_name=False,
        validate_by_alias=True,
        protected_namespaces=(),
        defer_build=True,
    )


class Item(Model):
    """A named item: it may be confined to some environments."""

    in_: list[Name] = optional(alias="in", min_length=1, description="The environments that have this item; all of them when absent.")
    not_in: list[Name] = optional(min_length=1, description="The environments that do not have this item.")


def _by_type(value: Any) -> str:
    if isinstance(value, dict):
        return "@map"
    return "@list" if isinstance(value, list) else "@scalar"


def by_type(expected: str) -> Discriminator:
    """Choose among the forms of a value by what is written: a map, a list or a scalar.

    ``expected`` says in words which forms there are; it is the message where none of them is written.
    Tags begin with ``@`` and never reach a path.
    """
    return Discriminator(_by_type, custom_error_type="form", custom_error_message=expected)
