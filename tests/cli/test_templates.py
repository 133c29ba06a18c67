"""The command templates: lists, names and values, differences, and whether one's own templates fit."""

from __future__ import annotations

import json
import shutil

import pytest

from mlspec.__main__ import main
from mlspec.cli.sample import find_samples
from mlspec.cli.templates import _names
from mlspec.library import names_of
from mlspec.resources import templates_root

ROOT = templates_root()
SPEC = """\
apiVersion: mlspec.dev/v1
name: demo
owner: {team: ml}
templates: own
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder of one's own, beside a spec, in a repository that is the working directory."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "own" / "kserve").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "own"


def copy(own, name, before="", after=""):
    text = (ROOT / name).read_text("utf-8")
    assert before in text
    (own / name).parent.mkdir(parents=True, exist_ok=True)
    (own / name).write_text(text.replace(before, after) if before else text)


def test_list_names_every_template(capsys):
    assert main(["templates", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == _names(ROOT)
    assert any(line.endswith("One version of an endpoint") for line in lines)


def test_the_small_spec_fills_every_template(capsys):
    """Where this fails for a new template, let the spec in cli/sample.py ask for it."""
    assert main(["templates", "check"]) == 0
    assert capsys.readouterr().err == f"{len(_names(ROOT))} templates fit\n"


@pytest.mark.parametrize("name", sorted(find_samples()))
def test_show_lists_every_name(name, capsys):
    assert main(["templates", "show", name]) == 0
    text = capsys.readouterr().out
    for sample in find_samples()[name]:
        assert f"{sample.kind.__name__}: " in text
        for known in names_of(sample.views[0]):
            assert f"\n  {known}: " in text


def test_show_gives_type_meaning_and_value(capsys):
    assert main(["templates", "show", "kserve/http-route.yaml.j2"]) == 0
    text = capsys.readouterr().out
    meaning = "The host name; a preview's has ``-preview`` behind its first label."
    assert f'  host: str\n      {meaning}\n      e.g. "churn.acme.example"\n' in text
    assert 'e.g. [{"service": "' in text or 'e.g. [{"name": "' in text
    assert "absent for the small spec" in text


def test_show_of_a_fragment_names_who_includes_it(capsys):
    assert main(["templates", "show", "kserve/container.yaml.j2"]) == 0
    title = "ServiceView: One version of an endpoint, as one InferenceService."
    assert f"{title} (of kserve/inference-service.yaml.j2)" in capsys.readouterr().out


def test_show_text_can_be_piped(capsys):
    assert main(["templates", "show", "--text", "kserve/http-route.yaml.j2"]) == 0
    assert capsys.readouterr().out == (ROOT / "kserve/http-route.yaml.j2").read_text("utf-8")


def test_show_knows_the_nearest(capsys):
    assert main(["templates", "show", "kserve/http-rout.yaml.j2"]) == 2
    assert "did you mean kserve/http-route.yaml.j2?" in capsys.readouterr().err


def test_a_copy_fits_and_does_not_differ(own, capsys):
    shutil.copytree(ROOT, own, dirs_exist_ok=True)
    assert main(["templates", "check", "own"]) == 0
    assert main(["templates", "diff", "own"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("arguments", [["own"], ["--templates", "own"], []])
def test_the_folder_may_be_named_in_three_ways(own, arguments, capsys):
    (own.parent / "mlspec.yaml").write_text(SPEC)
    copy(own, "kserve/pod-disruption-budget.yaml.j2", "maxUnavailable: 1", "maxUnavailable: 2")
    assert main(["templates", "check", *arguments]) == 0
    assert "1 template fits" in capsys.readouterr().err
    assert main(["templates", "diff", *arguments]) == 1
    assert "\n-  maxUnavailable: 1\n+  maxUnavailable: 2\n" in capsys.readouterr().out


def test_diff_without_any_folder(own, capsys):
    assert main(["templates", "diff"]) == 2
    assert "names a folder of templates" in capsys.readouterr().err


FAULTS = [
    ("kserve/inference-service.yaml.j2", "{{ name }}", "{{ nmae }}", "MLS-E813"),
    ("kserve/container.yaml.j2", "{{ memory }}", "{{ memry }}", "MLS-E813"),
    ("kserve/http-route.yaml.j2", "{% endfor %}", "", "MLS-E81"),
    ("kserve/pod-disruption-budget.yaml.j2", "maxUnavailable: 1", "maxUnavailible: 1", "MLS-E804"),
    ("kserve/restricted-pod.yaml.j2", "runAsUser: 1000", "runAsUser: root", "MLS-E804"),
    ("readme/README.md.j2", "{{ name", "{{ nmae", "MLS-E81"),
]


@pytest.mark.parametrize("fault", FAULTS)
def test_what_does_not_fit_is_shown_at_its_line(own, fault, capsys):
    name, before, after, code = fault
    copy(own, name, before, after)
    assert main(["templates", "check", "own", "--format", "json"]) == 1
    found = json.loads(capsys.readouterr().out)["diagnostics"]
    assert {item["code"][: len(code)] for item in found} == {code}
    assert {item["file"] for item in found} == {f"own/{name}"}


def test_a_name_that_only_another_branch_reads(own, capsys):
    (own / "readme").mkdir()
    (own / "readme/README.md.j2").write_text("fine\n{% if not name %}{{ nmae }}{% endif %}\n")
    assert main(["templates", "check", "own"]) == 1
    assert "own/readme/README.md.j2:2:1" in capsys.readouterr().err


def test_a_template_that_nothing_uses(own, capsys):
    copy(own, "kserve/http-route.yaml.j2")
    (own / "kserve/http-route.yaml.j2").rename(own / "kserve/http-rout.yaml.j2")
    assert main(["templates", "check", "own"]) == 1
    assert "own/kserve/http-rout.yaml.j2: nothing uses a template of this name; did you mean kserve/http-route.yaml.j2?" in (
        capsys.readouterr().err
    )


def test_a_fragment_of_ones_own_may_be_included(own, capsys):
    copy(own, "kserve/service-account.yaml.j2", "automount", '{% include "kserve/mine.yaml.j2" %}\nautomount')
    (own / "kserve/mine.yaml.j2").write_text("imagePullSecrets:\n- name: mirror\n")
    assert main(["templates", "check", "own"]) == 0, capsys.readouterr().err
