"""Imports go down only, and inside a layer from right to left only; third-party packages keep to their folder."""

import ast
from pathlib import Path

import pytest

import nbmlops

ROOT = Path(nbmlops.__file__).parent
LAYERS = [
    ["hooks", "errors", "records", "config", "process"],
    ["store", "capture", "stats"],
    ["tracking", "features", "quality", "drift", "registry", "monitoring", "governance"],
    ["report", "jobs", "bridges"],
    ["widgets", "cli", "magics", "server", "serving"],
]
RANK = {name: (layer, place) for layer, names in enumerate(LAYERS) for place, name in enumerate(names)}
ONLY_IN = {
    "sqlalchemy": {"store"},
    "alembic": {"store"},
    "fsspec": {"store"},
    "papermill": {"jobs"},
    "nbclient": {"jobs"},
    "jupyter_client": {"jobs"},
    "IPython": {"magics", "capture"},
    "jinja2": {"report"},
    "nh3": {"report"},
    "mistune": {"report"},
    "nbconvert": {"report"},
    "dask": {"drift"},
    "distributed": {"jobs"},
    "airflow": {"bridges"},
    "ipywidgets": {"widgets"},
    "tornado": {"server"},
    "jupyter_server": {"server"},
    "jupyter_scheduler": {"server"},
    "fastapi": {"serving"},
    "starlette": {"serving"},
    "uvicorn": {"serving"},
}


def imports(path: Path):
    """Yield (line, module) of every import, those inside functions and under TYPE_CHECKING too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.lineno, node.module
            if node.module == "nbmlops":
                yield from ((node.lineno, f"nbmlops.{alias.name}") for alias in node.names)


def modules():
    return sorted(p for p in ROOT.rglob("*.py") if p.parent != ROOT or p.stem in RANK)


def folder(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", modules(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_imports_go_down_only(path):
    here = folder(path)
    for line, module in imports(path):
        parts = module.split(".")
        if parts[0] != "nbmlops" or len(parts) < 2 or parts[1] not in RANK or parts[1] == here:
            continue
        (layer, place), (other_layer, other_place) = RANK[here], RANK[parts[1]]
        lower = other_layer < layer or (other_layer == layer and (layer == 0 or other_place < place))
        assert lower, f"{path.name}:{line}: {here}/ may not import {module}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_a_third_party_package_keeps_to_its_folder(path):
    for line, module in imports(path):
        allowed = ONLY_IN.get(module.split(".")[0])
        type_only = folder(path) in ("__init__",)
        assert allowed is None or type_only or folder(path) in allowed, (
            f"{path.name}:{line}: {module} belongs to {allowed}"
        )


def test_the_walk_sees_a_wrong_import(tmp_path):
    wrong = tmp_path / "wrong.py"
    wrong.write_text("def f():\n    from nbmlops.cli import main\n    import sqlalchemy as sa\n")
    assert [m for _, m in imports(wrong)] == ["nbmlops.cli", "sqlalchemy"]
