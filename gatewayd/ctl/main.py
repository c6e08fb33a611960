"""gatewayctl: asks the running daemon over its admin socket and shows what it says to people, or as JSON."""

import functools
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

import click
import msgspec

from gatewayd import __version__
from gatewayd.admin.client import call
from gatewayd.command_line import Program
from gatewayd.config import AdminSettings
from gatewayd.ctl.provision_command import provision
from gatewayd.model.errors import GatewayError

_WIDE: Final = 1000
"""Columns of a table before a cell is cut short: a uuid that is cut cannot be copied."""

_LOOK_AGAIN_S: Final = 0.1

_as_json: Final = click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")


@click.group("gatewayctl", cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gatewayctl")
@click.option(
    "--socket",
    type=click.Path(path_type=Path),
    default=Path(AdminSettings().socket),
    show_default=True,
    envvar="GATEWAYD_ADMIN_SOCKET",
    help="The daemon's admin socket.",
)
@click.pass_context
def main(context: click.Context, socket: Path) -> None:
    """Look into a running gatewayd and tell it what to do."""
    context.obj = functools.partial(_ask, socket)


Ask = Callable[..., Any]
_pass_ask: Final = click.make_pass_decorator(functools.partial)


@main.command()
@_as_json
@_pass_ask
def status(ask: Ask, as_json: bool) -> None:
    """How the daemon, its radio, its cloud and its database are."""
    answer = ask("status")
    if as_json:
        _print_json(answer)
    else:
        for name, value in answer.items():
            click.echo(f"{name + ':':14}{_plain(value)}")


@main.command()
@_as_json
@_pass_ask
def devices(ask: Ask, as_json: bool) -> None:
    """Every device on the radio, and what it last said."""
    answer = ask("devices")
    if as_json:
        _print_json(answer)
    else:
        _print_table(answer, ("uuid", "category", "type", "title", "online", "battery", "state", "linked"))


@main.command()
@click.argument("uuid")
@_pass_ask
def show(ask: Ask, uuid: str) -> None:
    """One device's whole record, as the cloud sees it."""
    _print_json(ask("show", uuid=uuid))


@main.command()
@_as_json
@_pass_ask
def qr(ask: Ask, as_json: bool) -> None:
    """The QR code that the household's app scans to take this gateway in."""
    from gatewayd.cloud.qr import draw_qr, parse_qr  # noqa: PLC0415  (nothing else here needs it)

    answer = ask("qr")
    if as_json:
        _print_json(answer)
        return
    try:
        click.echo(draw_qr(parse_qr(answer["text"])))
    except GatewayError as error:
        click.echo(f"gatewayctl: {error}", err=True)
    click.echo(answer["text"])


@main.command("permit-join")
@click.argument("seconds", type=click.IntRange(0, 254), default=60)
@_pass_ask
def permit_join(ask: Ask, seconds: int) -> None:
    """Let devices join for SECONDS (0 closes the network)."""
    ask("permit-join", seconds=seconds)
    click.echo(f"devices may join for {seconds} s" if seconds else "no device may join")


main.add_command(provision)


@main.command("provision-window")
@click.argument("minutes", type=click.IntRange(0, 60), default=5)
@_pass_ask
def provision_window(ask: Ask, minutes: int) -> None:
    """Let phones put the gateway on Wi-Fi for MINUTES (0 shuts the window)."""
    answer = ask("provision-window", minutes=minutes)
    if answer["endless"]:
        click.echo(f"the window is open until the gateway has reached the cloud once; its key: {answer['fingerprint']}")
    elif answer["open"]:
        click.echo(f"phones may put the gateway on Wi-Fi for {minutes} min at least; its key: {answer['fingerprint']}")
    else:
        click.echo("the window is shut")


@main.command()
@click.argument("uuid")
@_pass_ask
def remove(ask: Ask, uuid: str) -> None:
    """Take a device off the network."""
    ask("remove", uuid=uuid)
    click.echo(f"{uuid} is removed")


@main.group(invoke_without_command=True)
@_as_json
@click.pass_context
def outbox(context: click.Context, as_json: bool) -> None:
    """What the cloud still has to hear, oldest first, and what it would not take."""
    if context.invoked_subcommand is not None:
        return
    answer = context.obj("outbox")
    if as_json:
        _print_json(answer)
        return
    _print_table(answer["waiting"], ("id", "kind", "uuid", "since", "attempts"))
    if answer["dead"]:
        click.echo("\nnot taken, and not sent again unless told to (gatewayctl outbox retry ID | discard ID):")
        _print_table(answer["dead"], ("id", "kind", "uuid", "reason"))


_letters: Final = click.argument("ids", metavar="ID...", type=click.IntRange(min=0), nargs=-1, required=True)


@outbox.command()
@_letters
@_pass_ask
def retry(ask: Ask, ids: tuple[int, ...]) -> None:
    """Send again what the cloud would not take."""
    for id_ in ids:
        ask("outbox-retry", id=id_)
        click.echo(f"{id_} goes out again")


@outbox.command()
@_letters
@_pass_ask
def discard(ask: Ask, ids: tuple[int, ...]) -> None:
    """Forget what the cloud would not take."""
    for id_ in ids:
        ask("outbox-discard", id=id_)
        click.echo(f"{id_} is forgotten")


@main.command()
@_as_json
@_pass_ask
def sync(ask: Ask, as_json: bool) -> None:
    """Bring mirror and cloud to agree now, and say section by section what came of it."""
    wanted, said = ask("sync"), 0
    while True:
        progress = ask("sync-progress")
        if progress["run"] >= wanted:
            finished = list(itertools.takewhile(lambda row: row["state"] in ("done", "failed"), progress["sections"]))
            if not as_json:
                _print_progress(finished[said:], progress["sections"][len(finished) :])
            said = len(finished)
            if not progress["running"]:
                break
        time.sleep(_LOOK_AGAIN_S)
    if as_json:
        _print_json(progress["sections"])
    if any(section["state"] == "failed" for section in progress["sections"]):
        _fail("not everything was synced; it is tried again by itself")


def _print_progress(finished: Sequence[Mapping[str, Any]], left: Sequence[Mapping[str, Any]]) -> None:
    """A line a section; in a terminal, how far the one is that is under way, in a line that is written over."""
    is_terminal = sys.stderr.isatty()
    if is_terminal:
        click.echo("\r\x1b[K", nl=False, err=True)
    for section in finished:
        click.echo(f"{section['name'] + ':':20}{_synced(section)}")
    if is_terminal and left:
        click.echo(f"{left[0]['name'] + ':':20}{left[0]['seen']} so far", nl=False, err=True)


def _synced(section: Mapping[str, Any]) -> str:
    if section["error"]:
        return f"failed: {section['error']}"
    return f"{section['seen']} there, {section['changed']} changed"


@main.group()
def firmware() -> None:
    """The gateway's own firmware."""


@firmware.command("check")
@_as_json
@_pass_ask
def firmware_check(ask: Ask, as_json: bool) -> None:
    """Ask the cloud whether there is newer firmware."""
    answer = ask("firmware-check")
    if as_json:
        _print_json(answer)
    elif answer["newer"]:
        click.echo(f"{answer['latest']} is newer than {answer['installed']}, which runs here")
    else:
        click.echo(f"{answer['installed']} is the newest")


@main.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_pass_ask
def backup(ask: Ask, file: Path) -> None:
    """Write the Zigbee network to FILE. It holds the network's keys: keep it where nobody else reads it."""
    network = ask("backup")
    try:
        write_for_owner(file, msgspec.json.format(msgspec.json.encode(network)))
    except OSError as error:
        _fail(f"{file}: cannot be written: {error.strerror}")
    click.echo(f"{file}: the network of {network['coordinator_ieee']} on channel {network['channel']}")


@main.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.confirmation_option(prompt="The network that the coordinator has now is overwritten. Go on?")
@_pass_ask
def restore(ask: Ask, file: Path) -> None:
    """Put the Zigbee network of FILE onto the coordinator, an old or a new one."""
    try:
        network = msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
    except OSError as error:
        _fail(f"{file}: cannot be read: {error.strerror}")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        _fail(f"{file}: {error}")
    answer = ask("restore", backup=network)
    click.echo(f"the coordinator is {answer['gateway']} now, on channel {answer['channel']}")


@main.command("log-level")
@click.argument("level", type=click.Choice(["debug", "info", "warning", "error"]))
@_pass_ask
def log_level(ask: Ask, level: str) -> None:
    """Change the running daemon's log level."""
    ask("log-level", level=level)
    click.echo(f"log level is {level}")


def _ask(socket: Path, method: str, **params: Any) -> Any:
    try:
        return call(socket, method, **params)
    except GatewayError as error:
        _fail(str(error))


def _fail(reason: str) -> NoReturn:
    click.echo(f"gatewayctl: {reason}", err=True)
    sys.exit(1)


def write_for_owner(path: Path, content: bytes) -> None:
    """Write a file that its owner alone can read: whole, or not at all. Raises OSError."""
    with tempfile.NamedTemporaryFile(dir=path.absolute().parent, prefix=path.name, delete=False) as draft:
        try:
            draft.write(content)
            draft.flush()
            os.fsync(draft.fileno())
            Path(draft.name).replace(path)
        except OSError:
            Path(draft.name).unlink(missing_ok=True)
            raise


def _print_json(value: Any) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value)).decode())


def _print_table(rows: Iterable[Mapping[str, Any]], columns: tuple[str, ...]) -> None:
    from rich.console import Console  # noqa: PLC0415  (half a second on the board, and only tables need it)
    from rich.table import Table  # noqa: PLC0415

    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(_plain(row.get(column)) for column in columns))
    Console(width=_WIDE).print(table, soft_wrap=True)


def _plain(value: Any) -> str:
    match value:
        case None:
            return "-"
        case True | False:
            return "yes" if value else "no"
        case dict():
            return ", ".join(f"{name} {_plain(item)}" for name, item in value.items() if item is not None) or "-"
        case list() | tuple():
            return ", ".join(map(_plain, value)) or "-"
        case float():
            return f"{value:g}"
        case _:
            return str(value)
