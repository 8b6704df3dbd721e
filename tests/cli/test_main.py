"""The group: quick to start, complete in its listing, one line for a user's mistake."""

import os
import subprocess
import sys

import click
import pytest
from click.shell_completion import ShellComplete, get_completion_class
from click.testing import CliRunner

from glitchvae import __version__
from glitchvae.cli import LazyGroup, main
from glitchvae.errors import InputError

SLOW = ("torch", "gwpy", "matplotlib", "duckdb", "pyarrow", "sklearn", "scipy", "h5py")


@pytest.mark.parametrize("option", ["--help", "--version", "-h"])
def test_start_up_imports_nothing_slow(option):
    code = (
        "import sys\nfrom glitchvae.cli import main\n"
        f"main([{option!r}], standalone_mode=False)\n"
        f"print('LOADED', [m for m in {SLOW!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "LOADED []" in done.stdout, done.stdout + done.stderr


def test_help_lists_every_command_with_a_summary():
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    for name in main.list_commands(None):
        assert name in result.output


@pytest.mark.parametrize("name", main.list_commands(None))
def test_each_command_explains_itself(name):
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert len(result.output.splitlines()) > 5


def test_version_is_the_package_s():
    assert __version__ in CliRunner().invoke(main, ["--version"]).output


def test_unknown_command_is_a_usage_error():
    result = CliRunner().invoke(main, ["embedd"])
    assert result.exit_code == 2
    assert "No such command 'embedd'. (Did you mean 'embed'?)" in " ".join(result.output.split())


def test_an_unknown_command_without_a_near_one_gets_no_hint():
    result = CliRunner().invoke(main, ["xyzzy"])
    assert result.exit_code == 2
    assert "Did you mean" not in result.output


def group_raising(error):
    group = LazyGroup("g", callback=lambda: None, invoke_without_command=True)

    def fail():
        raise error

    group.callback = fail
    return group


def test_a_problem_of_the_user_s_is_one_line_and_exit_3():
    result = CliRunner().invoke(group_raising(InputError("broken", where="x.h5")), [])
    assert result.exit_code == 3
    assert "x.h5: broken" in result.output
    assert "Traceback" not in result.output


def test_interrupt_is_exit_130():
    result = CliRunner().invoke(group_raising(KeyboardInterrupt()), [])
    assert result.exit_code == 130


def complete(*words):
    """What a shell offers after `glitchvae` and some words, the last one unfinished."""
    completion = ShellComplete(main, {}, "glitchvae", "_GLITCHVAE_COMPLETE")
    return [item.value for item in completion.get_completions(list(words[:-1]), words[-1])]


def options_of(command):
    """Long names of its options."""
    given = [p for p in command.params if isinstance(p, click.Option) and not p.hidden]
    names = [n for p in given for n in p.opts]
    return {name for name in names if name.startswith("--")}


@pytest.mark.parametrize("name", main.list_commands(None))
def test_tab_completes_options_and_subcommands(name):
    command = main.get_command(click.Context(main), name)
    assert options_of(command) <= set(complete(name, "--"))
    if isinstance(command, click.Group):
        assert complete(name, "") == sorted(command.commands)
        for inner, subcommand in command.commands.items():
            assert options_of(subcommand) <= set(complete(name, inner, "--"))


@pytest.mark.parametrize(
    ("shell", "last", "offered"),
    [
        ("bash", "1", "plain,discover-new-classes"),
        ("zsh", "1", "plain\ndiscover-new-classes\nFind groups of glitches"),
        ("fish", "disc", "plain,discover-new-classes\tFind groups of glitches"),
    ],
)
def test_every_shell_is_offered_commands(monkeypatch, shell, last, offered):
    monkeypatch.setenv("COMP_WORDS", "glitchvae disc")
    monkeypatch.setenv("COMP_CWORD", last)
    completion = get_completion_class(shell)(main, {}, "glitchvae", "_GLITCHVAE_COMPLETE")
    assert completion.complete().startswith(offered)


@pytest.mark.parametrize(
    ("shell", "last", "offered"),
    [
        ("bash", "2", "plain,--method"),
        ("zsh", "2", "plain\n--method\n"),
        ("fish", "--met", "plain,--method\t"),
    ],
)
def test_every_shell_is_offered_options(monkeypatch, shell, last, offered):
    monkeypatch.setenv("COMP_WORDS", "glitchvae discover-new-classes --met")
    monkeypatch.setenv("COMP_CWORD", last)
    completion = get_completion_class(shell)(main, {}, "glitchvae", "_GLITCHVAE_COMPLETE")
    assert completion.complete().startswith(offered)


def test_tab_imports_nothing_slow():
    code = (
        "import sys\nfrom glitchvae.cli import main\n"
        "try:\n    main(prog_name='glitchvae')\nexcept SystemExit:\n    pass\n"
        f"print('LOADED', [m for m in {SLOW!r} if m in sys.modules])"
    )
    asked = {"_GLITCHVAE_COMPLETE": "bash_complete", "COMP_WORDS": "glitchvae e", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **asked},
    )
    assert done.stdout.splitlines() == ["plain,embed", "LOADED []"], done.stdout + done.stderr
