"""When things happen: schedules, time zones and dates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlspec.checks.subject import Subject
from mlspec.cron import parse_cron
from mlspec.diagnostics import Found, code, nearest
from mlspec.location import Path

_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def schedules(subject: Subject) -> Iterator[tuple[Path, str]]:
    """Yield every schedule of a spec."""
    for name, pipeline in subject.pipelines.items():
        schedule = pipeline.get("schedule")
        if isinstance(schedule, dict):
            yield ("pipelines", name, "schedule", "cron"), schedule["cron"]
        elif schedule is not None:
            yield ("pipelines", name, "schedule"), schedule
    for name, dataset in subject.datasets.items():
        if "schedule" in dataset.get("refresh", {}):
            yield ("datasets", name, "refresh", "schedule"), dataset["refresh"]["schedule"]


@code("MLS-E286", "malformed-schedule")
def malformed_schedule(subject: Subject) -> Iterator[Found]:
    """A schedule has five fields, minute, hour, day, month, weekday, or is a word such as @daily.

    It is read as Kubernetes reads it: weekdays are 0 (Sunday) to 6, months and weekdays may be names (JAN, MON), a field may be
    a list, a range and a step. There is no `L`, `W` or `#`, no seconds, no @every, and the time zone stands in `timezone`.

    Bad::

        datasets: {events: {uri: s3://d/events, refresh: {schedule: "0 3 * * 7"}}}

    Good::

        datasets: {events: {uri: s3://d/events, refresh: {schedule: "0 3 * * 0"}}}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    for path, text in schedules(subject):
        try:
            parse_cron(text)
        except ValueError as error:
            advice = (
                "write it as `timezone` beside `cron`" if "TZ=" in text else "write minute, hour, day, month and weekday, such as 0 3 * * 1"
            )
            yield Found(path, f'the schedule "{text}" is not one that Kubernetes reads: {error}', advice)


@code("MLS-E287", "schedule-never")
def schedule_never(subject: Subject) -> Iterator[Found]:
    """A schedule must name a day that exists.

    Bad::

        datasets: {events: {uri: s3://d/events, refresh: {schedule: "0 3 31 2 *"}}}

    Good::

        datasets: {events: {uri: s3://d/events, refresh: {schedule: "0 3 28 2 *"}}}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    for path, text in schedules(subject):
        try:
            comes = parse_cron(text).comes()
        except ValueError:
            continue
        if not comes:
            yield Found(path, f'the schedule "{text}" names a day that never comes', "write a day that its months have")


@code("MLS-E288", "unknown-time-zone")
def unknown_time_zone(subject: Subject) -> Iterator[Found]:
    """A time zone is a name of the IANA list, as Area/City, or UTC.

    Abbreviations such as CET mean different things in different places and seasons.

    Bad::

        pipelines:
          fit:
            schedule: {cron: "0 3 * * 1", timezone: Berlin}
            image: ghcr.io/acme/fit@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps: {fit: {run: [python, fit.py]}}

    Good::

        pipelines:
          fit:
            schedule: {cron: "0 3 * * 1", timezone: Europe/Berlin}
            image: ghcr.io/acme/fit@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps: {fit: {run: [python, fit.py]}}
    """
    for name, pipeline in subject.pipelines.items():
        schedule = pipeline.get("schedule")
        zone = schedule.get("timezone") if isinstance(schedule, dict) else None
        if zone is None:
            continue
        from mlspec.zones import zones

        if zone not in zones():
            near = next((known for known in sorted(zones()) if known.lower().rpartition("/")[2] == zone.lower()), None) or nearest(
                zone, zones()
            )
            advice = f"did you mean {near}?" if near else "write Area/City, such as Europe/Berlin, or Etc/UTC"
            yield Found(("pipelines", name, "schedule", "timezone"), f'"{zone}" is not a time zone of the IANA list', advice)


def is_date(text: str) -> bool:
    """Tell whether a text of the form YYYY-MM-DD is a day that exists."""
    year, month, day = map(int, text.split("-"))
    if not (year and 1 <= month <= 12):
        return False
    leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 1 <= day <= _DAYS[month - 1] + leap


@code("MLS-E289", "no-such-date")
def no_such_date(subject: Subject) -> Iterator[Found]:
    """A date is a day that exists, written YYYY-MM-DD.

    Bad::

        objectives: [{kpi: churn, target: 2%, by: 2027-02-30}]

    Good::

        objectives: [{kpi: churn, target: 2%, by: 2027-02-28}]
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    places: list[tuple[Path, Any]] = [
        (("objectives", at, "by"), item.get("by")) for at, item in enumerate(subject.tree.get("objectives", ()))
    ]
    waivers = subject.tree.get("governance", {}).get("waivers", ())
    places += [(("governance", "waivers", at, "until"), item["until"]) for at, item in enumerate(waivers)]
    for path, date in places:
        if date is not None and not is_date(date):
            yield Found(path, f"there is no day {date}", "write a day that exists, as YYYY-MM-DD")


CHECKS = (malformed_schedule, schedule_never, unknown_time_zone, no_such_date)
PROJECT_CHECKS = ()
