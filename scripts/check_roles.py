# Copyright: (c) 2026, baremetal.dsr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check that each role says the same in meta/argument_specs.yml, defaults/main.yml and README.md.

- An option with a default in the argument specification has the same one in defaults, and the other way round.
- README.md has a table with one row for each option: its name in backticks in the first cell, and in the second its
  default in backticks, as YAML, or the word "required" or "none".
- Names that start with two underscores are private: they stand in none of the three.

Exit status 1 when a role disagrees with itself, with one line for each finding.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROLES = Path(__file__).resolve().parent.parent / "roles"
ROW = re.compile(r"^\|\s*`(?P<name>\w+)`\s*\|\s*(?P<default>(?:`[^`]*`|[^`|])*?)\s*\|")


def options_of(role: Path) -> dict[str, dict[str, Any]]:
    """The options of all entry points: name -> specification."""
    specs = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]
    return {name: option for spec in specs.values() for name, option in spec.get("options", {}).items()}


def defaults_of(role: Path) -> dict[str, Any]:
    path = role / "defaults/main.yml"
    return (yaml.safe_load(path.read_text()) or {}) if path.exists() else {}


def readme_of(role: Path) -> dict[str, str]:
    """The rows of the variable tables: name -> text of the second cell."""
    rows = (ROW.match(line) for line in (role / "README.md").read_text().splitlines())
    return {row["name"]: row["default"] for row in rows if row}


def same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other  # 0 is not false


def readme_says(option: dict[str, Any], cell: str) -> bool:
    if "default" not in option:
        return cell == ("required" if option.get("required") else "none")
    if not (cell.startswith("`") and cell.endswith("`")):
        return False
    try:
        return same(yaml.safe_load(cell.strip("`")), option["default"])
    except yaml.YAMLError:
        return False


def findings(role: Path) -> Iterator[str]:
    for name in ("meta/argument_specs.yml", "README.md"):
        if not (role / name).exists():
            yield f"{name} is missing"
            return
    options, defaults, readme = options_of(role), defaults_of(role), readme_of(role)
    for name in sorted(options.keys() | defaults.keys() | readme.keys()):
        if name.startswith("__"):
            yield f"{name} is private and belongs in vars"
        elif name not in options:
            yield f"{name} is not in meta/argument_specs.yml"
        else:
            yield from option_findings(name, options[name], defaults, readme)


def option_findings(
    name: str, option: dict[str, Any], defaults: dict[str, Any], readme: dict[str, str]
) -> Iterator[str]:
    if ("default" in option) != (name in defaults):
        yield f"{name} has a default in only one of meta/argument_specs.yml and defaults/main.yml"
    elif "default" in option and not same(option["default"], defaults[name]):
        yield f"{name} is {option['default']!r} in meta/argument_specs.yml and {defaults[name]!r} in defaults/main.yml"
    if name not in readme:
        yield f"{name} has no row in README.md"
    elif not readme_says(option, readme[name]):
        yield f"{name} has another default in README.md ({readme[name]}) than in meta/argument_specs.yml"


def main() -> int:
    roles = sorted(path for path in ROLES.glob("*") if path.is_dir())
    found = [f"roles/{role.name}: {finding}" for role in roles for finding in findings(role)]
    print("\n".join(found or [f"{len(roles)} roles agree with their argument specifications, defaults and README"]))
    return 1 if found or not roles else 0


if __name__ == "__main__":
    sys.exit(main())
