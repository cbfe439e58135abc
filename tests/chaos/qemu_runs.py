# SPDX-License-Identifier: BSD-3-Clause
"""A QEMU's guest is moved again and again, and something happens at a random
moment of each move: somebody is ended by `kill -9`, stands still, or the way is
cut. Whatever happens, the guest runs on at one side, and at one side only;
where COMMIT was on its way when the source's ramjet died, nobody but a person
may decide, who is told so.

  what happens    what must be true afterwards
  send killed     before COMMIT its guardian lets the source go on; after it the
                  source stands still and the guardian says what is to be done
  recv killed     as the source's exit status says; a COMMIT that has arrived is
                  carried out by its guardian
  guardian        of send's, killed: nothing, another one is started before the
                  pause
  target QEMU     killed: the source runs on, or says "unconfirmed"
  source QEMU     killed: its guest is lost, as without ramjet, unless it had
                  been handed over
  both            ramjets killed: as send; COMMIT may have arrived, or not
  anything else   as the source's exit status says
"""
import collections
import os
import random
import signal
import time

import qemu_rig
import rig
from cutter import Cutter

KILLED = ("send", "recv", "guardian", "target QEMU", "source QEMU", "both")
STOPPED = ("stop send", "stop recv", "stop target QEMU")
# Each as often as it is listed.
EVENTS = ("send",) * 3 + ("recv",) * 2 + KILLED[2:] + STOPPED + (
    "cut one", "cut all", "silence all", "silence all", "cancel", "nothing")
STILL_S = (0.05, 0.5, 3)
# So that nobody waits for half a minute.
IMPATIENT = ("--reply-timeout", "2s", "--stall-timeout", "3s")
AFTER_COMMIT = "died after COMMIT"


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except FileNotFoundError:
        return []


def guardian_of(command):
    for pid in children(command.process.pid):
        try:
            with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
                if file.read() == "rj/guardian\n":
                    return pid
        except FileNotFoundError:
            pass
    return None


class Moves(qemu_rig.Case):
    def __init__(self, seed, numbers, say):
        super().__init__("go")
        self.seed = seed
        self.numbers = numbers
        self.say = say
        self.moves = 0
        self.tally = collections.Counter()

    def source(self):
        self.moves += 1
        return self.boot(f"first{self.moves}", asks="write=50M set=32M")

    def usual_length(self, source):
        """Of a move that nobody disturbs, in seconds."""
        target = source.twin()
        before = source.console.last_tick()
        send, recv = self.start_move(source, target)
        began = time.monotonic()
        self.both_end(send, recv)
        usual_s = time.monotonic() - began
        self.goes_on(source, target, send, before)
        return target, usual_s

    def start_cut_move(self, source, target, *options):
        """By way of a relay. -> (send, recv), both running."""
        there = self.recv(target.guest, "tcp:127.0.0.1:0", *options[:4])
        self.cutter = Cutter(there.uri)
        self.addCleanup(self.cutter.close)
        return self.send(source.guest, self.cutter.uri, *options), there

    def happen(self, event, dice, send, recv, source, target):
        people = {"send": send, "recv": recv, "target QEMU": target,
                  "source QEMU": source}
        if event == "guardian":
            pid = guardian_of(send)
            if pid:
                os.kill(pid, 9)
        elif event in KILLED:
            for name in ("send", "recv") if event == "both" else (event,):
                people[name].kill()
        elif event in STOPPED:
            self.stop(people[event.removeprefix("stop ")].process,
                      dice.choice(STILL_S))
        elif event == "cancel":
            send.interrupt()
        elif event != "nothing":
            number = dice.randrange(8)
            what = (self.cutter.silence if event == "silence all" else
                    self.cutter.reset)
            what(lambda links: links if "all" in event or not links else
                 [links[number % len(links)]])

    @staticmethod
    def stop(process, seconds):
        if process.poll() is None:
            process.send_signal(signal.SIGSTOP)
            time.sleep(seconds)
            process.send_signal(signal.SIGCONT)

    def await_moment(self, dice, usual_s, send):
        """Of the whole move, or of the pause, or about COMMIT."""
        words, longest_s = dice.choice(((None, 1.1 * usual_s),
                                        ("-> switchover", 0.05),
                                        ("-> committed", 0.005)))
        if words and not send.heard(words):
            return
        time.sleep(dice.uniform(0, longest_s))

    def runs(self, qemu):
        return qemu.process.poll() is None and qemu.status() == "running"

    def judge_send(self, send, recv, source, target):
        """Its output ends when its guardian does."""
        send.wait()
        recv.wait()
        story = send.story() + recv.story()
        if AFTER_COMMIT in send.err:
            self.assertFalse(self.runs(source), story)
            return "after COMMIT"
        if self.runs(source):
            return "source runs on"
        # It had heard that the target runs, whether or not it could say so.
        self.assertTrue(self.runs(target), story)
        return "after all"

    def judge_exit(self, send, recv, source, target):
        status = send.wait()
        recv.wait()
        story = send.story() + recv.story()
        self.assertIn(status, (0, 1, 3), story)
        if status == 1 and source.process.poll() is None:
            self.assertTrue(self.runs(source), story)
        else:
            self.assertFalse(self.runs(source), story)
        return f"exit {status}"

    def one_move(self, source, dice, usual_s):
        """-> who has the guest afterwards; None: it is lost."""
        victim = dice.choice(EVENTS)
        target = source.twin()
        send, recv = self.start_cut_move(
            source, target, "--log", "debug", *IMPATIENT[:2], *IMPATIENT[2:])
        self.await_moment(dice, usual_s, send)
        self.happen(victim, dice, send, recv, source, target)
        send.wait()
        self.cutter.go_on()
        if "setup -> active" not in recv.err and recv.process.poll() is None:
            recv.interrupt()  # it waits for a source that will not come
        judge = (self.judge_send if victim in ("send", "both") else
                 self.judge_exit)
        what = judge(send, recv, source, target)
        story = f"{victim}\n" + send.story() + recv.story()
        both = self.runs(source), self.runs(target)
        self.assertNotEqual(both, (True, True), story)
        self.cutter.close()
        self.tally[f"qemu, {victim}: {what}"] += 1
        self.say(f"{victim}: {what}")
        if both[1]:
            source.close()
            return target
        target.close()
        if victim == "target QEMU" and send.process.returncode == 0:
            source.close()
            return None  # the guest had arrived there
        if source.process.poll() is not None:
            self.assertEqual(victim, "source QEMU", story)
            return None
        if not both[0]:
            # The person has looked at the target.
            self.assertTrue(AFTER_COMMIT in send.err or "unconfirmed" in
                            send.err, story)
            source.execute("cont")
        return source

    def still_whole(self, qemu):
        qemu.console.wait_tick(beyond=qemu.console.last_tick().number
                               if qemu.console.ticks() else 0)
        qemu.console.wait_passes()
        qemu.console.check()
        self.no_trouble(qemu)

    def go(self):
        qemu, usual_s = self.usual_length(self.source())
        for number in self.numbers:
            dice = random.Random(f"{self.seed}-{number}")
            qemu = self.one_move(qemu, dice, usual_s) or self.source()
            self.still_whole(qemu)
