"""`billsmith catalog …`"""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
import yaml

from billsmith.actions import catalog as catalogs
from billsmith.actions.catalog import Applied
from billsmith.actions.catalog_objects import CatalogChangeObject, EditObject, PlanChangeObject, catalog_change_object
from billsmith.actions.context import Context
from billsmith.cli.catalog.reading import CatalogFile, read_catalog_file
from billsmith.cli.session import JsonOption, TenantOption, call_for, fail, in_context, print_json, screen
from billsmith.config import Settings
from billsmith.core.catalog.given import CatalogGiven, CatalogInvalid, catalog_given
from billsmith.core.catalog.rules import Catalog
from billsmith.core.catalog.writing import catalog_as_given
from billsmith.errors import BillsmithError, FieldError

app = typer.Typer(help="What is sold: applied from a file, shown.", no_args_is_help=True)

_CHANGES = {"added": "+", "changed": "~", "new_version": "~", "retired": "−", "sold_again": "+"}
_BECOMES = {"keep": "keep it", "at_date": "move on the day said", "at_renewal": "move when they renew"}


@app.command("apply")
def apply(
    file: Annotated[Path, typer.Argument(help="YAML, or JSON if it is called .json.")],
    diff: Annotated[bool, typer.Option("--diff", help="Only show what would change, and for whom.")] = False,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make everything as a file says, all or nothing; what is not named in it stays as it is.

    Example: billsmith catalog apply pricing.yml --diff
    """
    try:
        read = read_catalog_file(file)
    except BillsmithError as error:
        fail(error)
    given = _given(read)

    async def work(context: Context, settings: Settings, url: str) -> Applied:
        call = await call_for(context, tenant, reason=f"catalog apply {file.name}")
        try:
            if diff:
                return await catalogs.preview_catalog(context, call.tenant, given)
            return (await catalogs.apply_catalog(context, call, given)).fresh
        except CatalogInvalid as error:
            raise _placed(error, read) from None

    applied = in_context(work)
    shown = catalog_change_object(applied.made, applied.catalog.version, applied.operations, applied=not diff)
    if as_json:
        print_json(shown)
        return
    _print(shown)


@app.command("show")
def show(tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """Show all that is sold, as a file that can be applied; each plan in its newest version.

    Example: billsmith catalog show > pricing.yml
    """

    async def work(context: Context, settings: Settings, url: str) -> Catalog:
        return await catalogs.get_catalog(context, (await call_for(context, tenant)).tenant)

    given = msgspec.to_builtins(catalog_as_given(in_context(work)))
    if as_json:
        print_json(given)
        return
    print(yaml.safe_dump(given, sort_keys=False, allow_unicode=True, width=120), end="")


def _given(read: CatalogFile) -> CatalogGiven:
    try:
        return catalog_given(read.document)
    except CatalogInvalid as error:
        fail(_placed(error, read))


def _placed(error: CatalogInvalid, read: CatalogFile) -> CatalogInvalid:
    """The error with the line of the file before each place."""
    count = len(error.errors)
    said = f"{read.path} can't be used: {count} {'place is' if count == 1 else 'places are'} wrong"
    placed = [FieldError(f"{read.place(one.pointer)}  {one.pointer}", one.detail) for one in error.errors]
    return CatalogInvalid(said, errors=tuple(placed))


def _print(shown: CatalogChangeObject) -> None:
    if not (shown.products or shown.plans or shown.rules):
        screen.print("[green]✓[/green] nothing changes: everything is as the file says")
        return
    for product in shown.products:
        _line(product.change, f"product {product.code}", product.edits)
    for plan in shown.plans:
        _line(plan.change, f"plan {plan.code}{_about(plan)}", plan.edits)
        for one in plan.subscribers:
            text = f"    {one.subscribers} on version {one.version} {_BECOMES[one.becomes]}"
            screen.print(text, markup=False, soft_wrap=True)
        if plan.operation is not None:
            screen.print(f"    operation {plan.operation} moves them", markup=False, soft_wrap=True)
    if shown.rules:
        _line("changed", "rules", shown.rules)
    if shown.applied:
        screen.print(f"[green]✓[/green] applied; the catalogue is at version {shown.version}")
    else:
        screen.print("nothing was stored; without --diff this is applied")


def _line(change: str, what: str, edits: tuple[EditObject, ...]) -> None:
    screen.print(f"{_CHANGES[change]} {what}", markup=False, soft_wrap=True)
    for edit in edits:
        screen.print(f"    {edit.pointer}: {_said(edit.before)} → {_said(edit.after)}", markup=False, soft_wrap=True)


def _about(plan: PlanChangeObject) -> str:
    said = []
    if plan.version is not None:
        said.append(f"version {plan.version} from {plan.effective_on}")
    if plan.retired is not None:
        said.append("takes no new subscribers" if plan.retired else "is sold again")
    return f": {', '.join(said)}" if said else ""


def _said(value: Any) -> str:
    if value is None:
        return "nothing"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
