"""Schedules, time zones and dates."""

import pytest

from checks.build_serving import findings
from mlspec.checks import schedules
from mlspec.cron import parse_cron


@pytest.mark.parametrize(
    "text",
    [
        *(
            "0 3 * * 1",
            "*/5 * * * *",
            "0 0 1,15 * *",
            "5/15 0-6/2 * JAN-Mar MON,wed",
            "? ? ? ? ?",
            "0 0 29 2 *",
            "0 0 31 2 1",
            "59 23 31 12 6",
        ),
        *("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly", "00 03 * * 0"),
    ],
)
def test_schedules_that_kubernetes_reads(text):
    assert parse_cron(text).comes()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0 3 * * 7", "Sunday is 0"),
        ("60 3 * * *", "minute is 60"),
        ("0 24 * * *", "hour is 24"),
        ("0 0 0 * *", "day of the month is 0"),
        ("0 0 * 13 *", "month is 13"),
        ("0 0 L * *", "expected a number"),
        ("0 0 * * 5#2", "expected a number"),
        ("0 0 15W * *", "expected a number"),
        ("*/0 * * * *", "step of the minute is 0"),
        ("5-1 * * * *", "runs backwards"),
        ("1,,2 * * * *", "is empty"),
        ("1-2-3 * * * *", "expected a number"),
        ("1/2/3 * * * *", "expected a number"),
        ("-1 * * * *", "is empty"),
        ("+1 * * * *", "expected a number"),
        ("١ * * * *", "expected a number"),
        ("0 0 0 * * *", "6 fields"),
        ("* * * *", "4 fields"),
        ("TZ=UTC 0 3 * *", "time zone"),
        ("@every 5m", "not a schedule"),
        ("@reboot", "not a schedule"),
        ("@Daily", "not a schedule"),
        ("", "0 fields"),
    ],
)
def test_schedules_that_kubernetes_refuses(text, words):
    with pytest.raises(ValueError, match=words):
        parse_cron(text)


@pytest.mark.parametrize("text", ["0 0 30 2 *", "0 0 31 2,4,6,9,11 *", "0 0 30-31 FEB ?"])
def test_days_that_never_come(text):
    assert not parse_cron(text).comes()


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("'0 3 * * 8'", [("MLS-E286", "pipelines/p/schedule")]),
        ("{cron: 0 3 31 2 *}", [("MLS-E287", "pipelines/p/schedule/cron")]),
        ("{cron: 0 3 * * *, timezone: Europe/Berlin}", []),
        ("{cron: 0 3 * * *, timezone: UTC}", []),
        ("{cron: 0 3 * * *, timezone: Etc/UTC}", []),
        ("{cron: 0 3 * * *, timezone: America/Argentina/Buenos_Aires}", []),
        ("{cron: 0 3 * * *, timezone: CET}", [("MLS-E288", "pipelines/p/schedule/timezone")]),
        ("{cron: 0 3 * * *, timezone: Etc/GMT+2}", [("MLS-E288", "pipelines/p/schedule/timezone")]),
        ("{cron: 0 3 * * *, timezone: europe/berlin}", [("MLS-E288", "pipelines/p/schedule/timezone")]),
        ("{cron: 0 3 * * *, timezone: Local}", [("MLS-E288", "pipelines/p/schedule/timezone")]),
    ],
)
def test_schedules_of_pipelines(schedule, expected):
    assert findings(f"pipelines: {{p: {{schedule: {schedule}, steps: {{s: {{run: [x]}}}}}}}}\n", schedules) == expected


@pytest.mark.parametrize(
    ("date", "right"),
    [
        ("2027-02-28", True),
        ("2027-02-29", False),
        ("2028-02-29", True),
        ("2100-02-29", False),
        ("2027-13-01", False),
        ("2027-04-31", False),
        ("2027-00-10", False),
    ],
)
def test_dates(date, right):
    assert (findings(f"objectives: [{{kpi: k, target: t, by: {date}}}]\n", schedules) == []) is right
