"""Schedules as Kubernetes reads them: five fields or a word, months and weekdays by number or name, no zone inside."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from typing import NamedTuple

WORDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTHS = {name: at for at, name in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1)}
_WEEKDAYS = {name: at for at, name in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])}
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of the month", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("weekday", 0, 6, _WEEKDAYS),
)
_DAY = 24 * 60
_SPAN = 9 * 365 + 2
"""Days in which every schedule that comes at all has come twice: two leap days lie in them."""
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class Schedule(NamedTuple):
    """The minutes, hours, days, months and weekdays of a schedule, and whether the days are open (``*``)."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    every_day: bool
    every_weekday: bool

    def comes(self) -> bool:
        """Tell whether there is a day that it names. A day and a weekday together mean either of them."""
        if not self.every_weekday:
            return True
        return any(min(self.days) <= _LONGEST[month - 1] for month in self.months)

    def longest_pause(self) -> int:
        """Return the longest time without a run, in minutes, clocks that change left out; that of nine years where there are none."""
        times = sorted(hour * 60 + minute for hour in self.hours for minute in self.minutes)
        first = date(2023, 1, 1)
        days = [at for at in range(_SPAN) if self._falls_on(first + timedelta(at))]
        if not days:
            return _SPAN * _DAY
        within = max((later - earlier for earlier, later in pairwise(times)), default=0)
        between = max((later - earlier for earlier, later in pairwise(days)), default=_SPAN)
        return max(within, between * _DAY - times[-1] + times[0])

    def _falls_on(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        named, weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return named and weekday if self.every_day or self.every_weekday else named or weekday


def parse_cron(text: str) -> Schedule:
    """Read a schedule. Raises ValueError with the reason when Kubernetes would not."""
    if "TZ=" in text:
        raise ValueError("the time zone does not stand in the schedule")
    if text.startswith("@"):
        if text not in WORDS:
            raise ValueError(f"{text} is not a schedule; the words are {', '.join(WORDS)}")
        text = WORDS[text]
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise ValueError(f"it has {len(fields)} fields, expected 5: minute, hour, day, month, weekday")
    values = [_field(field, *bounds) for field, bounds in zip(fields, _FIELDS, strict=True)]
    sets = [value for value, _ in values]
    return Schedule(sets[0], sets[1], sets[2], sets[3], sets[4], values[2][1], values[4][1])


def _field(field: str, noun: str, low: int, high: int, names: dict[str, int]) -> tuple[frozenset[int], bool]:
    """Return the numbers of one field, and whether it is open."""
    numbers: set[int] = set()
    every = False
    for part in field.split(","):
        span, slash, step_text = part.partition("/")
        step = 1
        if slash:
            step = _number(step_text, f"the step of the {noun}")
            if step == 0:
                raise ValueError(f"the step of the {noun} is 0")
        if span in ("*", "?"):
            first, last = low, high
            every = every or step == 1
        else:
            start, dash, end = span.partition("-")
            first = _value(start, noun, low, high, names)
            last = _value(end, noun, low, high, names) if dash else (high if slash else first)
            if first > last:
                raise ValueError(f"the range {span} of the {noun} runs backwards")
        numbers.update(range(first, last + 1, step))
    return frozenset(numbers), every


def _value(text: str, noun: str, low: int, high: int, names: dict[str, int]) -> int:
    if text.lower() in names:
        return names[text.lower()]
    number = _number(text, f"the {noun}")
    if not low <= number <= high:
        sunday = "; Sunday is 0" if noun == "weekday" and number == 7 else ""
        raise ValueError(f"the {noun} is {number}, expected {low} to {high}{sunday}")
    return number


def _number(text: str, noun: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise ValueError(f'{noun} is "{text}", expected a number' if text else f"{noun} is empty")
    return int(text)
