# SPDX-License-Identifier: BSD-3-Clause
"""What goes wrong in a run, and when.

A disturbance is planned with the run's dice, before anything runs, and then
applied to the run at its moment. A run that is over before that moment is
left alone: `apply` is called all the same, and finds nobody."""
import re
import signal
import time

# A process that was stopped, or a way that is silent, for longer than the
# reply timeout is given up.
REPLY_S = 1.0
STILL_S = (0, 0.05, 0.3, 1.0, 1.6 * REPLY_S)


class Moment:
    """After a line of a side's log, or after some bytes; then a little
    later."""
    LINES = (("source", r"none -> setup", 0.1),
             ("source", r"setup -> active", 0.15),
             ("source", r"setup -> active", 0.15),
             ("source", r"active -> switchover", 0.015),
             ("source", r"switchover -> committed", 0.003),
             ("target", r"active -> switchover", 0.015),
             ("target", r"switchover -> committed", 0.003))
    OVER = re.compile(r"-> (completed|failed|cancelled|unconfirmed)")

    def __init__(self, dice):
        self.side, self.line, most_s = dice.choice(self.LINES)
        self.later_s = dice.random() ** 2 * most_s
        self.bytes = int(dice.random() ** 2 * (16 << 20))
        self.by_bytes = dice.random() < 0.5

    def __str__(self):
        return (f"{self.later_s * 1e3:.1f} ms after the {self.side}'s "
                f"\"{self.line}\", or after {self.bytes >> 10} KiB")

    def wait(self, run):
        """Bytes can be counted on a relay."""
        if self.by_bytes and run.plan.way == "relay":
            carried = run.way.cutter.after(self.bytes)
            self._wait(run, carried.wait)
        elif run.side(self.side):
            side = run.side(self.side)
            self._wait(run, lambda tick_s: side.heard(self.line, tick_s))
            time.sleep(self.later_s)

    def _wait(self, run, come):
        """Until it has come, or will not."""
        while not come(0.02):
            if any(run.over(name) or self.OVER.search(run.side(name).err)
                   for name in ("source", "target")):
                return


class Disturbance:
    way = None       # where only one will do
    needs = None     # what else the machine must have
    slow = False     # a reply timeout ends it, so that one is needed
    monitored = False

    def __init__(self, dice):
        self.moment = Moment(dice)

    def __str__(self):
        return f"{self.name} {self.moment}"

    @property
    def name(self):
        return type(self).__name__.lower()

    def apply(self, run):
        raise NotImplementedError


class Nothing(Disturbance):
    def apply(self, run):
        pass


class Kill(Disturbance):
    """kill -9, of both one after the other. In half of the cases the process
    is stopped before it, so that its guest's counter at its death is known."""

    def __init__(self, dice):
        super().__init__(dice)
        self.sides = dice.choice((("source",), ("source",), ("target",),
                                  ("target",), ("source", "target"),
                                  ("target", "source")))
        self.between_s = dice.choice((0, 0.002))
        self.look_first = dice.random() < 0.5

    @property
    def name(self):
        return "kill " + " and ".join(sorted(self.sides))

    def apply(self, run):
        for side in self.sides:
            if self.look_first:
                run.stop(side)
                run.watcher.look()
            run.kill(side)
            time.sleep(self.between_s)


class Stop(Disturbance):
    """SIGSTOP, and SIGCONT some time later."""
    slow = True

    def __init__(self, dice):
        super().__init__(dice)
        self.sides = dice.choice((("source",), ("target",),
                                  ("source", "target")))
        self.still_s = dice.choice(STILL_S)

    @property
    def name(self):
        return "stop " + " and ".join(self.sides)

    def apply(self, run):
        for side in self.sides:
            run.stop(side)
        time.sleep(self.still_s)
        for side in self.sides:
            run.signal(side, signal.SIGCONT)


class _OfConnections(Disturbance):
    """Of one of them, of the control link, or of all."""
    way = "relay"

    def __init__(self, dice):
        super().__init__(dice)
        self.which = dice.choice(("one", "control", "all"))
        self.number = dice.randrange(16)
        self.for_ever = dice.random() < 0.4
        self.still_s = dice.choice(STILL_S)

    def pick(self, links):
        if self.which == "all" or not links:
            return links
        if self.which == "control":
            return links[:1]
        return [links[self.number % len(links)]]


class Cut(_OfConnections):
    """Reset; for ever: and no connection is let in any more."""

    @property
    def name(self):
        return f"cut {self.which}"

    def apply(self, run):
        if self.for_ever:
            run.way.cutter.refuse()
        run.way.cutter.reset(self.pick)


class Silence(_OfConnections):
    """Nothing goes through, and nobody is told."""
    slow = True

    @property
    def name(self):
        return f"silence {self.which}"

    def apply(self, run):
        run.way.cutter.silence(self.pick)
        if not self.for_ever:
            time.sleep(self.still_s)
            run.way.cutter.go_on()


class Down(Disturbance):
    """The link is taken down, and up again unless for ever."""
    way = "link"
    slow = True

    def __init__(self, dice):
        super().__init__(dice)
        self.for_ever = dice.random() < 0.4
        self.still_s = dice.choice(STILL_S)

    name = "link down"

    def apply(self, run):
        run.way.set_link("down")
        if not self.for_ever:
            time.sleep(self.still_s)
            run.way.set_link("up")


class Limited(Disturbance):
    """The link is slow, and nothing else."""
    way = "link"
    name = "slow link"

    def apply(self, run):
        pass


class Cancel(Disturbance):
    """SIGINT of either side."""

    def __init__(self, dice):
        super().__init__(dice)
        self.side = dice.choice(("source", "target"))

    @property
    def name(self):
        return f"cancel {self.side}"

    def apply(self, run):
        run.signal(self.side, signal.SIGINT)


class MonitorCancel(Disturbance):
    monitored = True
    name = "monitor cancel"

    def apply(self, run):
        run.monitor_cancel()


class Memory(Disturbance):
    """The target's memory control group is small."""
    needs = "group"
    name = "memory limit"

    def __init__(self, dice):
        super().__init__(dice)
        self.mib = dice.randrange(6, 64)

    def apply(self, run):
        pass


class Disk(Disturbance):
    """The stream goes to a file system that may be too small."""
    way = "stream"
    name = "small disk"

    def __init__(self, dice):
        super().__init__(dice)
        self.mib = dice.randrange(1, 48)

    def apply(self, run):
        pass


# Each as often as it is listed.
ALL = (Kill,) * 8 + (Cut,) * 6 + (Silence,) * 3 + (Stop,) * 5 + \
    (Cancel,) * 3 + (MonitorCancel,) * 2 + (Nothing,) * 2 + \
    (Down, Down, Limited, Memory, Disk, Disk)


def plan(dice, missing=()):
    """-> one or two that can happen in one run, without what is missing."""
    first, second = (dice.choice(ALL)(dice) for _ in range(2))
    two = dice.random() < 0.25
    if missing_for(first, missing):
        first = Kill(dice)
    fits = not second.way or first.way in (None, second.way)
    if not two or not fits or missing_for(second, missing) \
            or isinstance(first, Nothing):
        return [first]
    return [first, second]


def missing_for(disturbance, missing):
    return disturbance.way in missing or disturbance.needs in missing
