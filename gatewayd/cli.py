"""The command `gatewayd`: `run`, `check-config`, `demo`. Reads the settings and sets up logging."""

import asyncio
import faulthandler
import os
import sys
from pathlib import Path
from typing import Final

import click
import structlog

from gatewayd import __version__, config, log
from gatewayd.command_line import Program
from gatewayd.model.errors import ConfigError, GatewayError
from gatewayd.task_group import replace_task_group
from gatewayd.wait_for import replace_wait_for

_BAD_CONFIG: Final = 2
_INTERRUPTED: Final = 130

_config_option: Final = click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path),
    default=config.DEFAULT_PATH,
    show_default=True,
    help="The settings, TOML.",
)


@click.group("gatewayd", cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gatewayd")
def main() -> None:
    """The gateway daemon of ZJCHILINK homes."""
    replace_wait_for()
    replace_task_group()


@main.command()
@_config_option
def run(path: Path) -> None:
    """Run the daemon until SIGTERM or SIGINT."""
    from gatewayd.lifecycle import end_within, leave  # noqa: PLC0415  (check-config and --help need no radio stack)

    status = 0
    try:
        _run(path)
    except ConfigError as error:
        end_within()  # from here on: whoever reads stderr may have stalled
        _print_faults(error)
        status = _BAD_CONFIG
    except GatewayError as error:
        end_within()
        click.echo(f"gatewayd: {error}", err=True)
        status = 1
    except Exception:  # noqa: BLE001  (a fault of ours)
        structlog.get_logger().exception("gatewayd_failed")
        end_within()
        status = 1
    leave(status)


def _run(path: Path) -> None:
    from gatewayd import daemon  # noqa: PLC0415  (likewise)

    faulthandler.enable()  # where every thread is, when systemd's watchdog aborts it
    settings = config.load(path, os.environ)
    password = config.load_password(settings, os.environ)
    log.configure(settings.log.level, settings.log.format)
    _print_warnings(settings)
    daemon.main(settings, password, os.environ)


@main.command("check-config")
@_config_option
def check_config(path: Path) -> None:
    """Say everything that is wrong with the settings at once: exit 0 or 2."""
    from gatewayd.zigbee.catalogue import Catalogue  # noqa: PLC0415  (--help need not wait for it)

    try:
        settings = config.load(path, os.environ)
        Catalogue.load(settings.radio.catalogue)
    except ConfigError as error:
        _print_faults(error)
        sys.exit(_BAD_CONFIG)
    _print_warnings(settings)
    click.echo(f"{path}: in order")


@main.command()
@click.option("--once", is_flag=True, help="Play the tour once; exit 0 only if every step really happened.")
@click.option("--broker", type=click.Choice(["mosquitto", "amqtt"]), help="Default: the first that is installed.")
def demo(*, once: bool, broker: str | None) -> None:
    """A whole house, radio, cloud and daemon on this machine: no hardware, no root."""
    try:
        sys.exit(_play(once=once, broker=broker))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(_INTERRUPTED if once else 0)


def _play(*, once: bool, broker: str | None) -> int:
    from gatewayd.demo.run import play  # noqa: PLC0415  (the daemon never loads the simulator)
    from gatewayd.simulator.broker import BrokerError  # noqa: PLC0415  (likewise)

    try:
        return asyncio.run(play(once=once, broker=broker))
    except BrokerError as error:
        click.echo(f"gatewayd: {error}", err=True)
        return 1


def _print_warnings(settings: config.Settings) -> None:
    for warning in (*config.without_effect(settings), *config.insecure_connections(settings)):
        click.echo(f"gatewayd: warning: {warning}", err=True)


def _print_faults(error: ConfigError) -> None:
    for fault in error.faults:
        click.echo(f"gatewayd: {fault}", err=True)
