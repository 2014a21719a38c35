"""Settings that nobody reads are said, with the near one."""

import warnings

import pytest

from nbmlops.cli.begin import SETTINGS
from nbmlops.config import KNOWN, find_project


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[store]\nurll = "x"', r"'urll' under \[store\], .* ignores\. Did you mean url under \[store\]\?"),
        ('[stor]\nurl = "x"', r"\[stor\], .* Did you mean \[store\]\?"),
        ('[project]\nurl = "x"', r"'url' under \[project\], .* Did you mean url under \[store\]\?"),
        ('url = "x"', r"'url', .* Did you mean url under \[store\]\?"),
        ('store = "sqlite:///x"', r"'store', .* ignores\.$"),
        ("[store]\nbanana = 1", r"'banana' under \[store\], .* ignores\.$"),
    ],
)
def test_a_setting_that_is_not_known_is_said_once(project, text, says):
    (project / "nbmlops.toml").write_text(text)
    with pytest.warns(RuntimeWarning, match=says) as told:
        found = find_project(project)
        find_project(project)
    assert len(told) == 1
    assert found.store_url.startswith("sqlite:///")
    assert found.name == "project"


def test_known_settings_are_read_in_silence(project):
    (project / "nbmlops.toml").write_text('[project]\nname = "a"\n[store]\nurl = "u"\n[capture]\nsystem_every_s = 0\n')
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = find_project(project)
    assert (found.name, found.store_url, found.setting("capture", "system_every_s")) == ("a", "u", 0)


def test_every_setting_that_init_writes_is_known():
    import tomllib

    text = "\n".join(line.removeprefix("# ") if " = " in line else line for line in SETTINGS.splitlines()[1:])
    for table, keys in tomllib.loads(text.format(name='"x"')).items():
        assert set(keys) <= set(KNOWN[table])


def test_relative_places_are_seen_from_the_project_wherever_the_process_goes(tmp_path, monkeypatch):
    (tmp_path / "nbmlops.toml").touch()
    monkeypatch.setenv("NBMLOPS_HOME", "kept")
    found = find_project(tmp_path)
    monkeypatch.chdir("/")
    assert found.home == tmp_path / "kept"
    assert found.store_url == f"sqlite:///{tmp_path / 'kept' / 'store.sqlite'}"
    monkeypatch.setenv("NBMLOPS_STORE", "sqlite:///here/store.db")
    assert found.store_url == f"sqlite:///{tmp_path / 'here' / 'store.db'}"
    monkeypatch.setenv("NBMLOPS_STORE", "sqlite:////abs/store.db")
    assert found.store_url == "sqlite:////abs/store.db"
    monkeypatch.setenv("NBMLOPS_STORE", "postgresql+psycopg://me@host/name")
    assert found.store_url == "postgresql+psycopg://me@host/name"
