#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Run a command on a terminal of 80 columns and draw what stays on its screen
as SVG: scripts/screen_svg.py OUT.svg COMMAND... The pictures in the docs are
made this way, so they show what was really printed."""
import html
import os
import pty
import re
import subprocess
import sys

COLUMNS, ROWS = 80, 60
CELL, LINE = 8.4, 18
COLOURS = {"31": "#e06c75", "32": "#98c379", "33": "#e5c07b", "34": "#61afef",
           "35": "#c678dd", "36": "#56b6c2", "1": "#ffffff", "2": "#7f848e"}


def run(command):
    """Everything the command wrote to its terminal."""
    leader, follower = pty.openpty()
    env = dict(os.environ, TERM="xterm-256color", COLUMNS=str(COLUMNS),
               LINES=str(ROWS))
    env.pop("NO_COLOR", None)
    subprocess.run(["stty", "cols", str(COLUMNS), "rows", str(ROWS)],
                   stdin=follower, check=True)
    child = subprocess.Popen(command, stdin=follower, stdout=follower,
                             stderr=follower, env=env)
    os.close(follower)
    out = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:
            break
        if not piece:
            break
        out += piece
    if child.wait():
        sys.exit(f"{command[0]} ended with {child.returncode}")
    return out.decode()


def screen(text):
    """Lines of (character, style) as a terminal would show them."""
    lines, row, column, style = [[]], 0, 0, ()
    for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|[^\x1b]", text):
        if part.startswith("\x1b["):
            arguments, verb = part[2:-1], part[-1]
            if verb == "m":
                style = tuple(a for a in arguments.split(";")
                              if a not in ("", "0"))
            elif verb == "K":
                del lines[row][column:]
            continue
        if part == "\n":
            row += 1
            if row == len(lines):
                lines.append([])
        elif part == "\r":
            column = 0
        else:
            line = lines[row]
            line += [(" ", ())] * (column - len(line))
            line[column:column + 1] = [(part, style)]
            column += 1
    return lines


def spans(line):
    """Runs of one style: (column, style, text)."""
    out = []
    for column, (char, style) in enumerate(line):
        if out and out[-1][1] == style:
            out[-1][2] += char
        else:
            out.append([column, style, char])
    return out


def draw(lines):
    while lines and not lines[-1]:
        lines.pop()
    height = (len(lines) + 2) * LINE
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" '
           f'width="{(COLUMNS + 4) * CELL:.0f}" height="{height}" '
           f'font-family="monospace" font-size="14">',
           '<rect width="100%" height="100%" rx="8" fill="#21252b"/>']
    for number, line in enumerate(lines):
        for column, style, text in spans(line):
            fill = next((COLOURS[s] for s in style if s in COLOURS),
                        "#c8ccd4")
            weight = ' font-weight="bold"' if "1" in style else ""
            out.append(f'<text xml:space="preserve" '
                       f'x="{(column + 2) * CELL:.1f}" '
                       f'y="{(number + 1.8) * LINE:.0f}" fill="{fill}"'
                       f'{weight}>{html.escape(text)}</text>')
    out.append("</svg>\n")
    return "\n".join(out)


def main():
    with open(sys.argv[1], "w") as file:
        file.write(draw(screen(run(sys.argv[2:]))))


if __name__ == "__main__":
    main()
