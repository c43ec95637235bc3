"""Prints provision(1) from the program's own help, in man(7): `python debian/man_page.py EPOCH`."""

import sys
import time
from collections.abc import Iterator

import click

from provisioner import __version__
from provisioner.cli import provision
from provisioner.cli.lazy import Lazy
from provisioner.explanations.codes import CODES

HEAD = """.TH PROVISION 1 "{date}" "vaultcube-provisioner {version}" "Bare-metal provisioning"
.SH NAME
provision \\- power, network-boot, image and prove machines on one deployment LAN
.SH SYNOPSIS
.B provision
[\\fI\\-\\-server\\fR URL] [\\fI\\-\\-state\\fR DIR] \\fICOMMAND\\fR [\\fIARGS\\fR]...
"""
TAIL = """.SH FILES
.TP
.I /etc/provisioner/provisioner.toml
The settings, each with its default.
.TP
.I /var/lib/provisioner
The state folder: database, keys, images, logs. See \\fBprovision backup\\fR.
.SH SEE ALSO
.BR systemctl (1),
.I /usr/share/doc/provisioner/docs
"""


def escape(text: str) -> str:
    """As a roff text: no sign of it commands the formatter."""
    plain = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    plain = plain.replace("^", "\\(ha").replace("~", "\\(ti")
    return "\n".join(f"\\&{line}" if line.startswith(".") else line for line in plain.split("\n"))


def contexts(context: click.Context) -> Iterator[click.Context]:
    """Of every command that does something, below its groups."""
    command = context.command
    if not isinstance(command, click.Group):
        yield context
        return
    for word in command.places if isinstance(command, Lazy) else command.commands:
        if child := command.get_command(context, word):
            yield from contexts(click.Context(child, context, word))


def paragraphs(text: str) -> str:
    """A docstring's paragraphs, their lines joined."""
    parts = [" ".join(part.split()) for part in text.replace("\b", "").split("\n\n")]
    return "\n.PP\n".join(escape(part) for part in parts if part)


def section(context: click.Context) -> Iterator[str]:
    """One command: how it is written, what it does, its options."""
    usage = " ".join(context.command.collect_usage_pieces(context))
    yield f".SS {escape(context.command_path)} {escape(usage)}\n"
    yield paragraphs(context.command.help or "") + "\n"
    for parameter in context.command.get_params(context):
        if record := parameter.get_help_record(context):
            yield f".TP\n.B {escape(record[0])}\n{escape(' '.join(record[1].split()))}\n"


def page(epoch: int) -> str:
    """The whole page, dated by `epoch`, in seconds since 1970."""
    top = click.Context(provision, info_name="provision")
    date = time.strftime("%Y-%m-%d", time.gmtime(epoch))
    parts = [HEAD.format(date=date, version=escape(__version__))]
    parts.append(f".SH DESCRIPTION\n{paragraphs(provision.help or '')}\n.SH COMMANDS\n")
    for context in contexts(top):
        parts += section(context)
    parts.append(".SH ERROR CODES\n")
    for code, (what, then) in sorted(CODES.items()):
        parts.append(f".TP\n.B PV\\-{code}\n{escape(what)} {escape(then)}\n")
    return "".join([*parts, TAIL])


if __name__ == "__main__":
    print(page(int(sys.argv[1])), end="")
