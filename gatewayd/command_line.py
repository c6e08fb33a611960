"""What both commands share: an error in a call is one line on stderr."""

import sys
from typing import Any

import click


class Program(click.Group):
    """A click group that prints a usage error in one line; click itself prints three, two of them the usage."""

    def main(self, *args: Any, **extra: Any) -> Any:
        try:
            status = super().main(*args, **(extra | {"standalone_mode": False}))
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(error.exit_code)
        except click.ClickException as error:
            context = getattr(error, "ctx", None)
            path = context.command_path if context is not None else self.name
            click.echo(f"{path}: {error.format_message()} ({path} --help says more)", err=True)
            sys.exit(error.exit_code)
        except click.Abort:
            click.echo(f"{self.name}: given up", err=True)
            sys.exit(1)
        sys.exit(status if isinstance(status, int) else 0)
