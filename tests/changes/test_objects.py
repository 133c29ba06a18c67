"""The list of objects: applied to the old tree it gives the new one, and back; every entry has a cause."""

import random

import pytest

from changes.specs import accounted, basic, draw
from mlspec.changes.objects import Key, apply_objects, differences, pair
from mlspec.changes.values import ABSENT, apply, compare, same


def value(dice, depth=4):
    kind = dice.random()
    if depth == 0 or kind < 0.4:
        return dice.choice([1, True, 0, False, "a", "b", None, "1", 1.0])
    if kind < 0.7:
        return {dice.choice("abcd"): value(dice, depth - 1) for _ in range(dice.randint(0, 4))}
    if kind < 0.85:
        return [value(dice, depth - 1) for _ in range(dice.randint(0, 5))]
    return [{"name": dice.choice("xyzw"), "v": value(dice, depth - 1)} for _ in range(dice.randint(0, 5))]


def changed(dice, found):
    if dice.random() < 0.15:
        return value(dice, 2)
    if isinstance(found, dict):
        more = {dice.choice("abcd"): value(dice, 1)} if dice.random() < 0.2 else {}
        return {**{key: changed(dice, item) for key, item in found.items() if dice.random() < 0.9}, **more}
    if isinstance(found, list):
        items = [changed(dice, item) for item in found if dice.random() < 0.85]
        if dice.random() < 0.3:
            items.insert(dice.randint(0, len(items)), value(dice, 1))
        if dice.random() < 0.1:
            dice.shuffle(items)
        return items
    return found


@pytest.mark.parametrize("seed", range(4))
def test_a_difference_leads_there_and_back(seed):
    dice = random.Random(seed)
    for _ in range(1500):
        one = value(dice)
        other = changed(dice, one)
        found = compare(one, other)
        assert same(apply(one, found), other)
        assert same(apply(other, [change.reverse for change in found]), one)
        assert bool(found) != same(one, other)


def test_named_items_of_a_list_are_followed_when_others_come_before_them():
    one = [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}]
    other = [{"name": "new", "image": "n"}, {"name": "a", "image": "x"}, {"name": "b", "image": "z"}]
    found = compare(one, other)
    assert [(change.sign, change.path) for change in found] == [("+", (0,)), ("~", (2, "image"))]


def test_what_comes_and_goes_whole():
    (found,) = compare(ABSENT, {"a": 1})
    assert (found.sign, found.path) == ("+", ())
    assert apply(ABSENT, [found]) == {"a": 1}
    assert apply({"a": 1}, [found.reverse]) is ABSENT


def test_editions_of_one_object_are_told():
    def key(name):
        return Key("prod", "v1", "ConfigMap", "churn", name)

    old, new = {key("rules-0a1b2c3d"): {"data": 1}}, {key("rules-ffffffff"): {"data": 2}, key("other-00000000"): {}}
    found = differences(old, new)
    assert {change.key.name: change.replaces and change.replaces.name for change in found} == {
        "rules-0a1b2c3d": None,
        "rules-ffffffff": "rules-0a1b2c3d",
        "other-00000000": None,
    }
    assert pair(found) == found


@pytest.mark.parametrize("seed", range(3))
def test_any_two_specs(seed, tmp_path):
    dice = random.Random(seed)
    for number in range(8):
        before = draw(dice, basic())
        after = draw(dice, before)
        made = accounted(tmp_path / str(number), before, after)
        assert not made.broken, [one.message for one in (*made.before.diagnostics, *made.after.diagnostics)]
        old, new = made.before.projects["churn"].objects, made.after.projects["churn"].objects
        found = differences(old, new)
        assert apply_objects(old, found) == new
        assert apply_objects(new, [change.reverse for change in found]) == old
        hunks = [hunk for project in made.projects for environment in project.environments for hunk in environment.hunks]
        assert {hunk.change.key for hunk in hunks} == {change.key for change in found}
        for hunk in hunks:
            assert len(hunk.causes) == len(hunk.change.changes)
            assert all(causes and all(cause.kind == "spec" for cause in causes) for causes in hunk.causes), hunk


def test_an_object_that_moves_to_another_namespace_is_told():
    old, new = (Key("prod", "v1", "Service", namespace, "api") for namespace in ("churn", "churn-eu"))
    assert {change.key: change.replaces for change in differences({old: {}}, {new: {"a": 1}})} == {old: None, new: old}
