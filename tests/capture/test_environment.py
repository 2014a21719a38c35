"""What is noted around a run: a lock others can install, the processor, the notebook."""

from nbmlops.capture import environment


def test_the_lock_is_requirements_and_says_every_package_once():
    from packaging.requirements import Requirement

    lines = environment.packages()["lock"].splitlines()
    named = [Requirement(line).name for line in lines if not line.startswith("#")]
    assert len(named) == len(set(named))
    assert "scikit-learn" in named
    assert any(line.startswith("# nbmlops==") for line in lines)
    assert "file:" not in "".join(lines)


def test_processor_and_memory_are_known():
    found = environment.packages()
    assert found["cpu"]["cores"] >= 1
    assert found["cpu"]["memory_bytes"] > 2**20
    assert environment.peak_memory_bytes() > 2**20


def test_the_notebook_is_the_one_the_front_end_names(tmp_path, monkeypatch):
    for name in ("NBMLOPS_NOTEBOOK", "JPY_SESSION_NAME"):
        monkeypatch.delenv(name, raising=False)
    notebook = tmp_path / "a.ipynb"
    assert environment.notebook_path({"__session__": str(notebook)}) is None
    notebook.touch()
    assert environment.notebook_path({"__session__": str(notebook)}) == str(notebook)
    assert environment.notebook_path({"__vsc_ipynb_file__": "b.ipynb"}) == "b.ipynb"
