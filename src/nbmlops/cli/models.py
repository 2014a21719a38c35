"""Commands about models: list, evaluate, compare, promote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from nbmlops.cli import papers, versions
from nbmlops.cli.output import INCONCLUSIVE, REFUSED, exit_with, show

if TYPE_CHECKING:
    import pandas as pd

EXIT = {"worse": REFUSED, "inconclusive": INCONCLUSIVE}

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
as_csv = click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")


@click.group(invoke_without_command=True)
@click.pass_context
@click.option("--query", metavar="QUERY", help="Only these, such as: metrics.roc_auc > 0.6 and dataset = 'flights@2'.")
@click.option("--sort", metavar="COLUMN", help="By this column; a minus before it means largest first.")
@click.option("--limit", type=int, help="At most this many.")
@as_json
@as_csv
def models(context: click.Context, /, as_json: bool, as_csv: bool, **asked: Any) -> None:
    """List the fleet: registered models, the newest version of each name first.

    Example: nbmlops models --query "metrics.roc_auc > 0.6" --json
    """
    if context.invoked_subcommand is None:
        versions.show_fleet(asked, as_json, as_csv)


for command in (*versions.COMMANDS, *papers.COMMANDS):
    models.add_command(command)


@click.command()
@click.argument("model")
@click.argument("data", type=click.Path())
@click.option("--target", help="Column of the truth; the registered model knows its own.")
@click.option("--by", multiple=True, help="Slice by this column (may be repeated).")
@as_json
def evaluate(model: str, data: str, target: str | None, by: tuple[str, ...], as_json: bool) -> None:
    """Judge a registered model on the rows of a CSV or Parquet file.

    Example: nbmlops evaluate late-flights@champion held_out.csv --by origin
    """
    from nbmlops.registry.evaluation import evaluate as evaluated

    show(evaluated(model, _read(data), target, list(by)), as_json)


@click.command()
@click.argument("challenger")
@click.argument("champion")
@click.option("--on", "rows", required=True, help="Held-out rows: flights-eval@2, or a CSV or Parquet file.")
@click.option("--target", help="Column of the truth; the registered models know theirs.")
@click.option("--margin", type=float, help="How much worse is tolerable; the charter's when absent.")
@click.option(
    "--metric", "metrics", multiple=True, help="The first decides, more are guarded; the charter's when absent."
)
@click.option("--by", multiple=True, help="Slice by this column (may be repeated).")
@click.option("--groups", help="Column whose rows belong together, such as day.")
@as_json
def gate(challenger: str, champion: str, rows: str, as_json: bool, **terms: Any) -> None:
    """Compare two registered models on the same rows.

    Ends with 0 (better or non-inferior), 3 (worse, or a guard is an issue) or 4 (inconclusive).

    Example: nbmlops gate late-flights@challenger late-flights@champion --on flights-eval@2
    """
    from nbmlops.governance.gate import gate as compared

    found = compared(challenger, champion, rows, **terms)
    show(found, as_json)
    exit_with(EXIT.get(found.verdict) or (REFUSED if found.refused else 0))


@click.command()
@click.argument("name")
@click.argument("version")
@click.option("--to", required=True, metavar="ALIAS", help="The alias to move, such as champion.")
@click.option("--reason", required=True, help="Why, for those who read the log.")
@click.option("--override", is_flag=True, help="In an emergency, against the policy: loud until somebody reviews it.")
@click.option("--instead-of", type=int, metavar="VERSION", help="Only if the alias names this one now; 0: none.")
@as_json
def promote(name: str, version: str, as_json: bool, **said: Any) -> None:
    """Move an alias to a version, if the charter allows it.

    Example: nbmlops promote late-flights 3 --to champion --reason "better on March"
    """
    from nbmlops.governance.promotion import promote as promoted

    show(promoted(name, version, **said), as_json)


@click.command()
@click.argument("name")
@click.option("--alias", default="champion", show_default=True, help="The alias to move back.")
@click.option("--reason", default="", help="Why, for those who read the log.")
@as_json
def rollback(name: str, alias: str, reason: str, as_json: bool) -> None:
    """Move an alias back to where it pointed before its last promotion.

    Example: nbmlops rollback late-flights --reason "late share off by 9 points"
    """
    from nbmlops.governance.promotion import rollback as rolled_back

    show(rolled_back(name, alias, reason), as_json)


@click.command()
@click.argument("name")
@click.option("--alias", metavar="ALIAS", default="champion", show_default=True, help="The alias to take away.")
@click.option("--reason", required=True, help="Why, for those who read the log.")
@as_json
def retire(name: str, alias: str, reason: str, as_json: bool) -> None:
    """Take an alias out of use: it points nowhere until a version is promoted.

    A service that runs goes on with what it loaded: end it. What asks for NAME@champion is refused from now on.

    Example: nbmlops retire late-flights --reason "the airline shows its own delays now"
    """
    from nbmlops.governance.promotion import retire as retired

    show(retired(name, alias, reason), as_json)


def _read(path: str) -> pd.DataFrame:
    """Return the rows of a CSV or Parquet file."""
    from nbmlops.registry.signature import read

    return read(path)
