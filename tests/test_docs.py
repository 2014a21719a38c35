"""Every magic, function and command is documented, and the reference says what the code does."""

import subprocess
import sys
from pathlib import Path

import pytest

import nbmlops
from nbmlops.cli import COMMANDS
from nbmlops.magics import magics

ROOT = Path(__file__).parents[1]


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="argparse words its help differently elsewhere")
def test_the_reference_is_up_to_date():
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "make_reference.py", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_path_names_every_verb():
    text = (ROOT / "docs" / "path.md").read_text(encoding="utf-8") + (ROOT / "README.md").read_text(encoding="utf-8")
    typed = [f"%nbmlops {name}" if magic.umbrella_only else f"%{name}" for name, magic in magics().items()]
    missing = [name for name in typed if name not in text]
    missing += [f"nbmlops {name}" for name in COMMANDS if f"nbmlops {name}" not in text]
    missing += [f"nb.{name}" for name in nbmlops.__all__ if f"nb.{name}" not in text]
    assert missing == []


def test_every_magic_and_command_has_help_with_an_example():
    for magic in magics().values():
        assert "Example:" in magic.built.format_help(), magic.name
    from click import Context, Group

    from nbmlops.cli import main

    for name in COMMANDS:
        command = main.get_command(Context(main), name)
        for one in command.commands.values() if isinstance(command, Group) else [command]:
            assert "Example" in (one.help or ""), f"nbmlops {name} {one.name}"


def test_the_reference_shows_no_markup_and_every_default():
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    assert "\\b" not in text
    assert "= ," not in text
    assert "reason: str = ''" in text


def test_links_between_pages_lead_somewhere():
    import re

    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
