"""What every command does alike: JSON, quiet, verbose, a log, exit statuses."""

import json
import logging

import click
import pytest
from click.testing import CliRunner

from glitchvae.cli import LazyGroup, main
from glitchvae.cli._manners import exit_status, note, tell_problem, with_manners
from glitchvae.cli._tables import Table, TableFile, print_table
from glitchvae.errors import InputError
from glitchvae.progress import progress_of

LOG = logging.getLogger("glitchvae.somewhere")


@click.command("work")
@click.argument("fails", default="")
@click.pass_context
def work(ctx, fails):
    """Do some work."""
    if fails == "all":
        raise InputError("no such file", where="a.h5", remedy="Name another.")
    LOG.info("a detail")
    LOG.warning("a warning")
    note("two files")
    with progress_of("working", 1, "steps") as advance:
        advance(1)
    table = Table("class", "glitches")
    table.add_row("Tomte", 3)
    print_table(table)
    click.echo("archive: here")
    if fails:
        tell_problem(InputError("truncated", where=fails))
    ctx.exit(exit_status(len(fails), 1))


def run(*arguments):
    group = LazyGroup("glitchvae", callback=lambda: None)
    group.get_command = lambda ctx, name: with_manners(work)
    return CliRunner().invoke(group, ["work", *map(str, arguments)])


def test_people_read_text():
    result = run()
    assert result.exit_code == 0
    assert result.stdout.splitlines() == ["class  glitches", "Tomte  3", "archive: here"]
    assert "two files" in result.stderr
    assert "a warning" in result.stderr
    assert "a detail" not in result.stderr


def test_a_program_reads_one_document():
    result = run("--json", "b.h5")
    document = json.loads(result.stdout)
    assert document["tables"] == [{"title": "", "rows": [{"class": "Tomte", "glitches": 3}]}]
    assert document["messages"] == ["archive: here"]
    assert document["problems"] == [{"problem": "truncated", "where": "b.h5"}]
    assert document["exit_status"] == result.exit_code == 1
    assert "left out: b.h5: truncated" in result.stderr


def test_an_error_is_a_document_too():
    result = run("--json", "all")
    document = json.loads(result.stdout)
    assert document["error"] == {
        "problem": "no such file",
        "where": "a.h5",
        "remedy": "Name another.",
    }
    assert document["exit_status"] == result.exit_code == 3
    assert "Error: a.h5: no such file" in result.stderr
    assert run("all").exit_code == 3


def test_quiet_tells_of_errors_alone():
    result = run("-q", "b.h5")
    assert result.stderr == "left out: b.h5: truncated\n"
    assert "Tomte" in result.stdout


def test_verbose_tells_details():
    assert "a detail" in run("-v").stderr


def test_a_log_keeps_what_was_told_and_grows(tmp_path):
    path = tmp_path / "run.log"
    run("-q", "--log", path)
    run("--log", path, "b.h5")
    lines = path.read_text(encoding="utf-8").splitlines()
    for text in ("a detail", "a warning", "two files"):
        assert sum(text in line for line in lines) == 2
    assert sum("ERROR" in line and "truncated" in line for line in lines) == 1
    assert run("--log", tmp_path / "none" / "x.log").exit_code == 3
    before = len(lines)
    LOG.warning("after the command")
    assert len(path.read_text(encoding="utf-8").splitlines()) == before


@click.command("tabulate")
@click.option("-o", "--output", type=TableFile())
@click.pass_context
def tabulate(ctx, output):
    """Write a table."""
    click.echo("a result")
    if output is not None:
        output.write_text("class,glitches\nTomte,3\n", encoding="utf-8")
        click.echo(f"{output}: 1 line")
    ctx.exit(1)


def test_a_table_on_stdout_is_alone_there():
    result = CliRunner().invoke(with_manners(tabulate), ["-o", "-"])
    assert result.stdout == "class,glitches\nTomte,3\n"
    assert result.stderr == "a result\nstandard output: 1 line\n"
    assert result.exit_code == 1
    assert CliRunner().invoke(tabulate, []).stdout == "a result\n"
    assert CliRunner().invoke(tabulate, ["-o", "-", "--json"]).exit_code == 2


@pytest.mark.parametrize(("problems", "done", "status"), [(0, 0, 0), (2, 1, 1), (2, 0, 3)])
def test_exit_statuses(problems, done, status):
    assert exit_status(problems, done) == status


def commands_of(group, context, path=()):
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands_of(command, context, (*path, name))
        else:
            yield (*path, name), command


def test_every_command_has_them():
    found = dict(commands_of(main, click.Context(main)))
    assert ("archive", "info") in found
    assert ("embed",) in found
    for command in found.values():
        names = [param.name for param in command.params]
        assert [names.count(n) for n in ("as_json", "quiet", "verbose", "log_file")] == [1] * 4
