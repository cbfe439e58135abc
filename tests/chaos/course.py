# SPDX-License-Identifier: BSD-3-Clause
"""One run: a guest is moved, something happens to it, and it is judged."""
import os
import random
import signal

import disturbances
import guests
import judge
import qmp_client
import rig
import ways

# A reply that stays away ends a migration. Short where a run waits for it,
# else longer than a machine under load makes anybody wait.
REPLY_S = {True: disturbances.REPLY_S, False: 30}


class Plan:
    """All that dice decide, thrown before anything runs."""

    def __init__(self, seed, number, *, kinds, missing, reconnect, small,
                 patient):
        dice = random.Random(f"{seed}-{number}")
        self.kind = dice.choice(kinds)
        self.guest = guests.plan(self.kind, dice)
        if small:
            self.guest = guests.small(self.guest)
        self.disturbances = disturbances.plan(dice, missing)
        wanted = [each.way for each in self.disturbances if each.way]
        self.way = (wanted or [dice.choice(("tcp", "unix", "relay"))])[0]
        self.mbit = dice.choice((200, 500, 2000))
        # A long path: READY, COMMIT and RUNNING take their time.
        self.delay_s = dice.choice((0, 0, 0.003, 0.02))
        slow = any(each.slow for each in self.disturbances)
        self.monitored = (self.way != "stream" and
                          (dice.random() < 0.15 or
                           any(each.monitored for each in self.disturbances)))
        self.again = dice.random() < 0.5
        common = ["--log", "debug", "--reply-timeout", f"{REPLY_S[slow]}s"]
        # Without these what is silent for ever is noticed after half a minute.
        self.limits = ([] if patient or not slow else
                       ["--stall-timeout", "1.5s"])
        if not patient and not self.is_quiet():
            self.limits += ["--timeout", "20s"]
        back_s = dice.choice((0, 0, 0.5, 2))
        if reconnect:
            common += ["--reconnect", f"{back_s}s"]
        self.recv_options = [*common, "--run", "20ms", "--backend",
                             dice.choice(("uring", "syscalls"))]
        self.options = [
            *common, "--channels", dice.choice(("1", "2", "4", "auto")),
            "--backend", dice.choice(("uring", "syscalls")),
            "--downtime-limit", self.limit(dice.choice((20, 100, 300))),
            *self.limits, "--throttle", dice.choice(("off", "auto")),
            "--on-no-convergence", "switch",
            "--bandwidth", dice.choice(("0", "0", "100M"))]

    def limit(self, wished_ms):
        """One that can be met: a pause takes four trips, and a machine under
        load takes its time."""
        least_ms = 2000 if self.is_quiet() else round(self.delay_s * 1e4)
        return f"{max(wished_ms, least_ms)}ms"

    def is_quiet(self):
        return self.what() in ("nothing", "slow link")

    def what(self):
        return " + ".join(sorted({each.name for each in self.disturbances}))

    def __str__(self):
        way = (f"{self.way} of {self.delay_s * 1e3:.0f} ms"
               if self.way == "relay" else self.way)
        return (f"{self.guest} by {way}: " + ", ".join(
            str(each) for each in self.disturbances))


class Run(rig.Case):
    """A test whose name carries its number."""

    def __init__(self, number, plan):
        super().__init__("go")
        self.number = number
        self.plan = plan
        self.kind = None
        self.source = self.target = self.watcher = self.group = None
        self.killed = set()

    def id(self):
        return f"chaos.run {self.number}: {self.plan}"

    # ---- for disturbances

    def side(self, name):
        return self.source if name == "source" else self.target

    def over(self, name):
        side = self.side(name)
        return not side or side.process.poll() is not None

    def signal(self, name, number):
        if not self.over(name):
            self.side(name).process.send_signal(number)

    def stop(self, name):
        """Returns once it stands still, or is over."""
        if self.over(name):
            return
        pid = self.side(name).process.pid
        self.signal(name, signal.SIGSTOP)
        os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def kill(self, name):
        if not self.over(name):
            self.killed.add(name)
            self.side(name).kill()

    def monitor_cancel(self):
        client = self.monitor()
        if client:
            try:
                client.execute("migrate_cancel")
            except (qmp_client.Closed, qmp_client.QmpError, OSError):
                pass  # it is over
            client.close()

    # ---- the run

    def go(self):
        self.way = self.make_way()
        self.addCleanup(self.way.close)
        self.target = None if self.plan.way == "stream" else self.start_target()
        if not self.target and self.plan.way != "stream":
            self.kind = "the target never began"
            return
        self.start_source()
        for each in self.plan.disturbances:
            each.moment.wait(self)
            each.apply(self)
        if self.plan.monitored:
            self.end_monitored()
        self.source.wait()
        self.way.heal()
        self.end_target()
        if self.plan.way == "stream":
            self.read_stream()
        self.watcher.close()
        self.kind = judge.kind(self)
        if self.plan.is_quiet():
            self.assertEqual(self.kind, "completed", judge.story(self))

    def make_way(self):
        if self.plan.way == "relay":
            return ways.Relayed(self.plan.delay_s)
        if self.plan.way == "link":
            return ways.Linked(self.plan.mbit)
        if self.plan.way == "stream":
            return ways.Streamed(self.path("disk"), min(
                each.mib for each in self.plan.disturbances
                if each.way == "stream"))
        return ways.Way("unix:" + self.path("socket")
                        if self.plan.way == "unix" else "tcp:127.0.0.1:0")

    def start_target(self):
        through = self.way.target_through
        for each in self.plan.disturbances:
            if each.needs == "group" and not self.source:
                self.group = ways.Group(each.mib)
                self.addCleanup(self.group.close)
                through = (*self.group.through, *through)
        try:
            return self.recv(self.plan.guest, self.way.listen,
                             *self.plan.recv_options, through=through)
        except AssertionError:
            if not self.group:
                raise
            return None

    def start_source(self):
        options = list(self.plan.options)
        if self.plan.monitored:
            options += ["--monitor", "unix:" + self.path("monitor")]
        self.source = self.send(
            self.plan.guest, self.way.to(self.target and self.target.uri),
            *options, through=self.way.source_through)
        self.watch()

    def watch(self):
        self.watcher = judge.Watcher(*(
            side and guests.Memory(side.process.pid, self.plan.guest)
            for side in (self.source, self.target)))
        self.addCleanup(self.watcher.close)

    def end_target(self):
        """Of a source that will not come a target knows nothing."""
        if not self.target:
            return
        if "setup -> active" not in self.target.err:
            self.signal("target", signal.SIGINT)
        self.target.wait()

    def read_stream(self):
        """A stream that is whole is a guest; none is there that isn't."""
        if judge.status(self.source) == 0:
            self.target = self.recv(self.plan.guest, self.way.to(None),
                                    "--log", "debug")
            self.target.wait()
        elif judge.status(self.source) == 1:
            self.assertFalse(os.path.exists(self.way.path), "a stream that "
                             "failed is there\n" + judge.story(self))

    # ---- a source with a monitor stays after a failure

    def monitor(self):
        if not self.source.heard("monitor on unix:"):
            return None
        try:
            return qmp_client.Client(self.path("monitor"))
        except (qmp_client.Closed, OSError):
            return None  # it is over, or killed

    def end_monitored(self):
        if not self.source.heard("stays, ready for what the monitor says"):
            return
        if "-> unconfirmed" not in self.source.err:
            self.wait_for_writes()
        client = self.monitor()
        if not client:
            return
        if self.plan.again and "-> unconfirmed" not in self.source.err:
            self.move_again(client)
        try:
            client.execute("quit")
        except (qmp_client.Closed, OSError):
            pass
        client.close()

    def wait_for_writes(self):
        """Its guest runs: it writes."""
        self.watcher.look()
        was = self.watcher.last["source"]
        waited = 0
        while was is not None and self.watcher.last["source"] == was \
                and not self.over("source"):
            self.assertLess(waited, rig.DEADLINE_S, "the source's guest "
                            "stands still\n" + judge.story(self))
            self.watcher.over.wait(judge.LOOK_EVERY_S)
            waited += judge.LOOK_EVERY_S
            self.watcher.look()

    def move_again(self, client):
        """Nobody disturbs it, so it ends well."""
        self.way.heal()
        self.end_target()
        self.assertFalse(judge.committed(self.target), judge.story(self))
        self.watcher.close()
        if self.plan.way != "link":
            self.way = ways.Way("tcp:127.0.0.1:0")
        self.killed.clear()
        self.target = self.start_target()
        self.watch()
        client.execute("migrate-set-parameters", max_bandwidth=0)
        client.execute("migrate", uri=self.way.to(self.target.uri))
        self.assertEqual(client.wait_status("completed", "failed"),
                         "completed", judge.story(self))
