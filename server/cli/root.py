"""The table of commands; each loads what it needs only when it is called."""

from importlib import import_module

import click
from typing_extensions import override

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

# Command → (module, its one line in the list), so that `lumen --help` loads none of them.
_COMMANDS = {
    "dev": ("dev", "Start everything on this machine, from nothing."),
    "serve": ("serve", "Start the web server."),
    "worker": ("worker", "Start the background work: workers, fold, relay, scheduler."),
    "migrate": ("migrate", "Bring the database's tables up to date, or back."),
    "source": ("source", "Add, list and refresh what is ingested."),
    "user": ("user", "Add people."),
    "audit": ("audit", "Verify the audit log."),
    "events": ("events", "Show how far consumers are behind; retry or drop what was parked."),
    "demo": ("demo", "Load and remove the demo content."),
    "doctor": ("doctor", "Say what is wrong and what to do."),
}


class _LazyGroup(click.Group):
    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(f"server.cli.{_COMMANDS[cmd_name][0]}")
        command = getattr(module, cmd_name)
        assert isinstance(command, click.Command)  # noqa: S101 (the table above says so)
        return command

    @override
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in _COMMANDS.items()])


@click.group(cls=_LazyGroup, context_settings=_CONTEXT)
@click.version_option(package_name="lumen", prog_name="lumen")
def main() -> None:
    """Lumen: a news and video feed that is live.

    `lumen dev` starts everything on this machine. In production run `lumen migrate up`, then
    `lumen serve` and `lumen worker`. Settings come from the environment and from `.env`;
    `lumen doctor` says which are wrong.
    """
