"""Asks again and again on its terminal, and says after each question how it was left: `asked N: CODE`."""

import sys

import click

from provisioner.cli import question, streams


def main() -> None:
    streams.hold()
    for number in range(int(sys.argv[1])):
        try:
            question.ask(f"[question {number}]", hidden=number % 2 == 1)
        except click.exceptions.Exit as left:
            print(f"asked {number}: {left.exit_code}", flush=True)


if __name__ == "__main__":
    main()
