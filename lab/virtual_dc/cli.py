# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of the lab."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import subprocess
import sys

from virtual_dc import lab, ssh
from virtual_dc.errors import LabError
from virtual_dc.progress import say
from virtual_dc.topology import machines

DESCRIPTION = (
    "A virtual data centre in one QEMU guest: client, attacker, two routers, three nodes with pods, on a real kernel."
)
VERBS = {
    "up": "bring it up (minutes the first time, seconds from the snapshot after that)",
    "down": "take it down; nothing stays but the cache",
    "reset": "put it back to the moment after its first boot",
    "status": "show what runs, and whether every machine answers",
    "clean": "take it down and remove what was built",
}


def main(argv: list[str]) -> int:
    """Run one verb; the exit status is 0 if it did what it says, 1 otherwise, 130 when interrupted."""
    for sign in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(sign) == signal.SIG_DFL:  # under nohup it is not
            signal.signal(sign, signal.default_int_handler)
    try:
        return run(parse(argv))
    except (LabError, OSError, subprocess.CalledProcessError) as error:
        say(f"dsrlab: {error}")
        return 1
    except KeyboardInterrupt:
        say("dsrlab: interrupted; run the same command again to go on")
        return 130


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dsrlab", description=DESCRIPTION)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb, text in VERBS.items():
        verbs.add_parser(verb, help=text, description=text)
    names = [machine.name for machine in machines()]
    text = f"a shell, or one command, on a machine: {', '.join(names)}"
    into = verbs.add_parser("ssh", help=text, description=text)
    into.add_argument("name", choices=names, metavar="NAME")
    into.add_argument("command", nargs=argparse.REMAINDER)
    return parser.parse_args(argv)


def run(asked: argparse.Namespace) -> int:
    if asked.verb == "ssh":
        lab.require_running()
        command = ssh.command(asked.name, *([] if asked.command else ["-t"]))
        line = [shlex.join(asked.command)] if len(asked.command) > 1 else asked.command
        os.execvp(command[0], [*command, *line])
    if asked.verb == "status":
        return 0 if lab.status() else 1
    {"up": lab.up, "down": lab.down, "reset": lab.reset, "clean": lab.clean}[asked.verb]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
