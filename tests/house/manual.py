# SPDX-License-Identifier: BSD-3-Clause
"""The manual pages say what ramjet.h, the protocol and the command's own help
say: nothing is missing, and nothing is made up.

usage: manual.py RAMJET
"""
import json
import os
import re
import subprocess
import sys

from tree import ROOT, Source, run

sys.path.insert(0, os.path.join(ROOT, "tests", "abi"))
from symbols import declared, differences, public  # noqa: E402

COMMAND, LIBRARY, PROTOCOL = ("docs/man/ramjet.1", "docs/man/libramjet.3",
                              "docs/man/ramjet-protocol.7")
# Of the shell line that builds against the library.
OTHERS_OPTIONS = {"--cflags", "--libs"}
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def text_of(path):
    return Source(path).text


def plain_line(line):
    """A line without its macro; None: nothing but one."""
    match = re.match(r"\.([BIR]{1,2}) (.*)", line)
    if match:
        words = re.findall(r'"([^"]*)"|(\S+)', match.group(2))
        return (" " if len(match.group(1)) == 1 else "").join(
            quoted or bare for quoted, bare in words)
    return line if re.match(r"[^.']|\.(SH|SS|TP|EX|EE)\b", line) else None


def plain(page):
    """A page's words without fonts, comments and macros; what begins a
    section, a subsection, an item or an example stays to be seen."""
    lines = [plain_line(line) for line in page.splitlines()]
    text = "\n".join(line for line in lines if line is not None) + "\n"
    return re.sub(r"\\f.", "", text).replace(r"\-", "-")


def parts(text, mark):
    """{title: text} of what lines such as '.SH TITLE' divide a text into."""
    pieces = re.split(rf"^{re.escape(mark)} (.*)\n", text, flags=re.M)
    return dict(zip(pieces[1::2], pieces[2::2]))


# ---- the command ---------------------------------------------------------


class Command:
    """What the command says of itself."""

    def __init__(self, program):
        self.program = program
        # What follows is the commit.
        self.version = " ".join(self.ask("--version").split()[:2])
        self.helps = {name: self.ask(name, "--help") for name in re.findall(
            r"^  ([a-z]+) +\S", self.ask("--help"), flags=re.M)}
        # Wrong usage, so nothing runs; a report is written all the same.
        self.report = json.loads(self.ask("send", "--json", "/dev/stdout"))

    def ask(self, *arguments):
        return subprocess.run([self.program, *arguments], text=True,
                              stdin=subprocess.DEVNULL, check=False,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL).stdout

    def usage(self, name):
        """The usage line without 'ramjet'; `version` and `help` have none."""
        match = re.match(rf"usage: ramjet ({name}\b.*)", self.helps[name])
        return match.group(1) if match else name

    def options(self, name):
        """Options with what they take, as 'ramjet NAME --help' shows them."""
        inline = re.findall(r"--[a-z-]+(?: [A-Z]+)?", self.usage(name))
        rows = re.findall(r"^  (--[a-z-]+(?: (?:[A-Z]|\S*[|:])\S*)?)(?: |$)",
                          self.helps[name], flags=re.M)
        return set(inline) | set(rows)

    def all_options(self):
        return {option for text in self.helps.values()
                for option in OPTION.findall(text)} | {"--help", "--version"}

    def words(self):
        """Keys, as in 'size=', and addresses, as in 'tcp:'."""
        text = "".join(self.helps.values())
        schemes = re.findall(r"\b[a-z]+:(?=[A-Z])", "".join(
            re.findall(r"^URI .*", text, flags=re.M)))
        kinds = re.findall(r"^(?:GUEST)? +((?:file|process|kvm):)", text,
                           flags=re.M)
        return set(re.findall(r"\b[a-z][a-z-]*=", text)) | set(schemes) \
            | set(kinds)


def fields(report):
    """Every name in a report, but in its arrays, which are empty."""
    inner = [fields(value) for value in report.values()
             if isinstance(value, dict)]
    return set(report).union(*inner)


def items(text):
    """Options that begin an item, with the commands in brackets below."""
    return re.findall(r"^\.TP\n(--.*)\n(?:\[(.*)\])?", text, flags=re.M)


def check_command(page, command):
    text = plain(page)
    sections = parts(text, ".SH")
    usages = parts(sections.get("COMMANDS", ""), ".SS")
    complaints = differences({command.usage(name) for name in command.helps},
                             "help", set(usages), "COMMANDS")
    for name in command.helps:
        own = {what for what, _ in items(usages.get(command.usage(name), ""))}
        shared = {what for what, names in items(sections.get("OPTIONS", ""))
                  if name in names.split(", ")}
        complaints += differences(command.options(name), f"{name} --help",
                                  own | shared, "page")
    complaints += [f"{word} is in the help, not in the page" for word
                   in sorted(command.words()) if word not in text]
    report = set(re.findall(r"\w+", sections.get("THE REPORT", "")))
    return complaints + differences(fields(command.report) - report,
                                    "a report", set(), "THE REPORT")


# ---- the library and the protocol ----------------------------------------


def check_library(page):
    text = plain(page)
    header = public(os.path.join(ROOT, "include"))
    example = text_of("examples/embed.c")
    named = set(re.findall(r"\bramjet_\w+", parts(text, ".SH").get(
        "FUNCTIONS", "")))
    lines = {line.strip() for line in example.splitlines()}
    code = "".join(re.findall(r"^\.EX\n(.*?)^\.EE", text, flags=re.M | re.S))
    return (differences(declared(header), "ramjet.h", named, "FUNCTIONS")
            + [f"{name} is not in ramjet.h" for name in sorted(set(
                re.findall(r"\b(?:ramjet|RAMJET)_\w+", text)))
               if not re.search(rf"\b{name}\b", header)]
            + [f"'{line.strip()}' is not in examples/embed.c"
               for line in code.splitlines() if line.strip() not in lines])


def check_protocol(page):
    table = parts(text_of("docs/protocol.md"), "##")["Messages"]
    wanted = re.findall(r"^\| (0x\w\w) \| ([A-Z]+) \|", table, flags=re.M)
    found = re.findall(r"^(0x\w\w)\t([A-Z]+)\t", page, flags=re.M)
    return differences({" ".join(row) for row in wanted}, "protocol.md",
                       {" ".join(row) for row in found}, "FRAMES")


# ---- all of them ---------------------------------------------------------


def checker(command):
    def check(source):
        unknown = set(OPTION.findall(plain(source.text))) \
            - command.all_options() - OTHERS_OPTIONS
        complaints = [f"{option}: the command has no such option"
                      for option in sorted(unknown)]
        if not re.search(rf'^\.TH .* "{command.version}" ', source.text,
                         flags=re.M):
            complaints.append(f"not of {command.version}")
        if source.path == COMMAND:
            complaints += check_command(source.text, command)
        if source.path == LIBRARY:
            complaints += check_library(source.text)
        if source.path == PROTOCOL:
            complaints += check_protocol(source.text)
        return [f"{source.path}: {line}" for line in complaints]
    return check


def changed(path, old, new):
    """A sample: the page with one thing said differently."""
    text = text_of(path)
    if old not in text:
        sys.exit(f"{path}: '{old}' is not there to be changed")
    return Source(path, text.replace(old, new, 1))


def main(program):
    run(checker(Command(program)),
        [Source(path) for path in (COMMAND, LIBRARY, PROTOCOL)],
        bad=[changed(COMMAND, r"\fB\-\-stall\-timeout TIME", r"\fBnothing"),
             changed(COMMAND, "auto|uring|syscalls", "auto|uring"),
             changed(COMMAND, "[demo, recv]", "[demo, send, recv]"),
             changed(COMMAND, ".SS watch MONITOR", ".SS look MONITOR"),
             changed(COMMAND, ".SS help\n", ".SS fly\nOff.\n.SS help\n"),
             changed(COMMAND, ".SH ENVIRONMENT",
                     ".SH MORE\n.B \\-\\-fly\n.SH ENVIRONMENT"),
             changed(COMMAND, "compressible=", "compressed="),
             changed(COMMAND, ".BI vsock:", ".BI vsocket:"),
             changed(COMMAND, "throttled_ms", "throttled_s"),
             changed(LIBRARY, ".B ramjet_wait\nWait", ".B waiting\nWait"),
             changed(LIBRARY, ".B ramjet_version", ".B ramjet_fly"),
             changed(LIBRARY, "RAMJET_PARAMS_INIT\nand", "RAMJET_FLY\nand"),
             changed(LIBRARY, "verify = true", "verify = false"),
             changed(LIBRARY, ".SH SEE", ".B \\-\\-fly\n.SH SEE"),
             changed(PROTOCOL, "ramjet 0.", "ramjet 9."),
             changed(PROTOCOL, "0x14\tFENCE", "0x15\tFENCE"),
             changed(PROTOCOL, "0x05\tCANCEL\tboth", "")],
        good=[changed(COMMAND, "Wrong usage,", "Bad usage,"),
              changed(LIBRARY, "This page is an", "This is an"),
              changed(PROTOCOL, "an outline", "a sketch")])


if __name__ == "__main__":
    main(sys.argv[1])
