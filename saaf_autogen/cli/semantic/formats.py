"""``saaf semantic schema``, ``import`` and ``export``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from saaf_autogen.errors import ConfigurationError, Finding

if TYPE_CHECKING:
    from saaf_autogen.semantic import SemanticModel
    from saaf_autogen.semantic.formats import Imported

__all__ = ["add_to"]

Foreign = Literal["snowflake", "ossie", "dbt", "cube", "wren", "databricks"]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace files that exist.")]
ProjectOption = Annotated[
    Path | None,
    typer.Option(
        "--project",
        envvar="SAAF_PROJECT",
        help="Deployment folder; default: the nearest saaf.yaml upward, if there is one.",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("schema")(_schema)
    app.command("import")(_import)
    app.command("export")(_export)


def _schema(
    output: Annotated[Path | None, typer.Option(help="File to write; default: print it.")] = None,
    force: ForceOption = False,
) -> None:
    """Print the JSON Schema of semantic files, for editors.

    Example: [b]saaf semantic schema --output .saaf/semantic.schema.json[/b]
    """
    from saaf_autogen.semantic.formats import language_server_line, schema_text, write_new

    if output is None:
        typer.echo(schema_text(), nl=False)
        return
    write_new(output, schema_text(), force=force)
    line = language_server_line(output.parent.parent / "semantic" / "x.yaml", published=output)
    typer.echo(f"{output} is written; a file in semantic/ names it so:\n{line}")


def _import(
    source: Annotated[Path, typer.Argument(help="File, or folder with its subfolders.")],
    format: Annotated[  # noqa: A002 - the option's name
        Foreign | None, typer.Option(help="Where it comes from; default: told by its keys.")
    ] = None,
    warehouse: Annotated[
        str | None, typer.Option(help="Warehouse of saaf.yaml; default: the only one.")
    ] = None,
    schema: Annotated[
        str | None, typer.Option(help="Schema of tables that name none; default: the usual one.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="File, or folder for several models; default: print.")
    ] = None,
    grants: Annotated[
        Path | None, typer.Option(help="File for the grants; default: print them.")
    ] = None,
    force: ForceOption = False,
    project: ProjectOption = None,
) -> None:
    """Translate semantic files of other projects; whatever gets lost is told on stderr.

    Reads Snowflake semantic models and views, Apache Ossie, dbt semantic models,
    Cube (its access policies become grants), Wren MDL and Databricks metric views.

    Example: [b]saaf semantic import model/ --output semantic/sales.yaml[/b]
    """
    from saaf_autogen.semantic.formats import Target, import_semantic

    known = _dialects(project)
    if known is not None and warehouse is not None and warehouse not in known:
        raise ConfigurationError(
            f"There is no warehouse {warehouse}.",
            remedy=f"saaf.yaml declares: {', '.join(sorted(known)) or 'none'}.",
        )
    if known is not None and warehouse is None and len(known) == 1:
        warehouse = next(iter(known))
    target = Target(warehouse, (known or {}).get(warehouse or ""), schema)
    made = import_semantic(source, target, kind=format)
    _write(made, output, grants, force=force)
    _tell(made)


def _write(made: Imported, output: Path | None, grants: Path | None, *, force: bool) -> None:
    from saaf_autogen.semantic.formats import write_new

    block = _grants_block(made.grants)
    if output is None:
        typer.echo("\n".join(model.to_yaml() for model in made.models), nl=False)
    else:
        for file, model in _files(made.models, output, ".yaml"):
            write_new(file, _with_schema(model.to_yaml(), file), force=force)
            typer.echo(f"{file} is written.")
    if not block:
        return
    if grants is not None:
        write_new(grants, block, force=force)
        typer.echo(f"{grants} is written: add it to saaf.yaml.", err=output is None)
    elif output is not None:
        typer.echo(f"\nAdd to saaf.yaml, after reading it:\n{block}", nl=False)
    else:
        # A comment, so that what is printed stays one semantic file.
        lines = ["", "Add to saaf.yaml, after reading it:", *block.splitlines()]
        typer.echo("\n".join(f"# {line}".rstrip() for line in lines))


def _grants_block(grants: Sequence[dict[str, Any]]) -> str:
    import yaml

    if not grants:
        return ""
    return yaml.safe_dump({"grants": list(grants)}, sort_keys=False, allow_unicode=True, width=100)


def _with_schema(text: str, file: Path) -> str:
    """The file with its schema named, where one lies in the deployment's state folder."""
    from saaf_autogen.semantic.formats import language_server_line

    for folder in file.resolve().parents:
        published = folder / ".saaf" / "semantic.schema.json"
        if published.is_file():
            return f"{language_server_line(file, published=published)}\n{text}"
    return text


def _files(
    models: Sequence[SemanticModel], output: Path, suffix: str
) -> list[tuple[Path, SemanticModel]]:
    from saaf_autogen.semantic.formats import file_name

    if len(models) == 1 and not output.is_dir() and output.suffix:
        return [(output, models[0])]
    if output.is_file() or output.suffix in (".yaml", ".yml", ".json"):
        raise ConfigurationError(
            f"There are {len(models)} models, and {output} is one file.",
            remedy="Name a folder as --output.",
        )
    places = [(output / file_name(model.name, suffix), model) for model in models]
    if len({place for place, _ in places}) < len(places):
        raise ConfigurationError(
            "Several models would be written to one file.", remedy="Import them one by one."
        )
    return places


def _tell(made: Imported) -> None:
    """What to know of the import, on stderr."""
    for title, findings in (
        ("Access rules that became no grant, or a narrower one:", made.policies),
        ("Left out:", made.left_out),
        ("To know:", made.notes),
        ("Still to do, before it loads:", made.remaining),
    ):
        if findings:
            typer.echo(f"\n{title}", err=True)
            _list(findings)


def _list(findings: Sequence[Finding]) -> None:
    for finding in findings:
        typer.echo(f"  {finding}", err=True)


def _export(
    format: Annotated[  # noqa: A002 - the option's name
        Literal["snowflake", "ossie"], typer.Option(help="What to write.")
    ],
    file: Annotated[
        Path | None, typer.Option(help="Semantic file; default: all of semantic/.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="File, or folder for several models; default: print.")
    ] = None,
    force: ForceOption = False,
    project: ProjectOption = None,
) -> None:
    """Write semantic files for others: Snowflake, or Apache Ossie, which gives all of it back.

    Example: [b]saaf semantic export --format ossie --output sales.ossie.yaml[/b]
    """
    import yaml

    from saaf_autogen.semantic.formats import write_new

    models = [_read(each) for each in ([file] if file is not None else _semantic_files(project))]
    known = _dialects(project) or {}
    texts: dict[str, str] = {}
    for model in models:
        document, told = _document(model, format, known)
        texts[model.name] = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)
        for line in told:
            typer.echo(f"{model.name}: {line}", err=True)
    if output is None:
        if len(models) > 1:
            raise ConfigurationError(
                f"There are {len(models)} models.",
                remedy="Name one by --file, or an --output folder.",
            )
        typer.echo("".join(texts.values()), nl=False)
        return
    for place, model in _files(models, output, f".{format}.yaml"):
        write_new(place, texts[model.name], force=force)
        typer.echo(f"{place} is written.")


def _document(
    model: SemanticModel, wanted: str, known: dict[str, str]
) -> tuple[dict[str, Any], list[str]]:
    from saaf_autogen.semantic.formats import export_ossie, export_snowflake

    only = next(iter(known.values())) if len(known) == 1 else None
    declared = known.get(model.saaf.warehouse or "") or only
    dialect = model.saaf.dialect or declared or "snowflake"
    if wanted == "ossie":
        return export_ossie(model, dialect), []
    return export_snowflake(model, dialect)


def _read(file: Path) -> SemanticModel:
    from saaf_autogen.semantic import SemanticModel
    from saaf_autogen.settings import read_document

    document = read_document(file)
    model = document.validate(SemanticModel) if not document.findings else None
    if model is None:
        raise ConfigurationError(f"{file} is no semantic file:", findings=document.findings)
    return model


def _semantic_files(project: Path | None) -> list[Path]:
    from saaf_autogen.project.discovery import find_project

    folder = find_project(project) / "semantic"
    files = sorted(item for item in folder.rglob("*") if item.suffix in (".yaml", ".yml", ".json"))
    if not files:
        raise ConfigurationError(f"{folder} holds no semantic file.", remedy="Name one by --file.")
    return files


def _dialects(project: Path | None) -> dict[str, str] | None:
    """Dialect by warehouse of the deployment around here; None where there is none."""
    from saaf_autogen.project.discovery import CONFIG_FILE, find_project
    from saaf_autogen.settings import Settings, read_document

    try:
        folder = find_project(project)
    except ConfigurationError:
        if project is not None:
            raise
        return None
    document = read_document(folder / CONFIG_FILE)
    data = document.data if isinstance(document.data, dict) else {}
    settings = document.validate(Settings, {"warehouses": data.get("warehouses", {})})
    if settings is None:
        raise ConfigurationError(f"{CONFIG_FILE} has faults:", findings=document.findings)
    return {
        name: getattr(each, "dialect", each.engine) for name, each in settings.warehouses.items()
    }
