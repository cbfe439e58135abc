# SPDX-License-Identifier: BSD-3-Clause
"""A QEMU's guest is moved again and again, and somebody is ended by `kill -9`
at a random moment of each move. Whatever happens, the guest runs on at one
side, and at one side only; where COMMIT was on its way when the source's ramjet
died, nobody but a person may decide, who is told so.

  victim          what must be true afterwards
  send            before COMMIT its guardian lets the source go on; after it the
                  source stands still and the guardian says what is to be done
  recv            as the source's exit status says; a COMMIT that has arrived is
                  carried out by its guardian
  send's guardian nothing: another one is started before the pause
  target QEMU     the source runs on, or says "unconfirmed"
  source QEMU     its guest is lost, as without ramjet, unless it had been
                  handed over
  both            ramjets: as send; COMMIT may have arrived, or not

RAMJET_QEMU_KILLS says how many, RAMJET_SEED which; a tally is printed.
"""
import collections
import os
import random
import time

import qemu_rig
import rig

KILLS = int(os.environ.get("RAMJET_QEMU_KILLS", "50"))
SEED = int(os.environ.get("RAMJET_SEED", "1"))
VICTIMS = ("send", "send", "send", "recv", "recv", "guardian", "target QEMU",
           "source QEMU",
           "both")
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


class Kills(qemu_rig.Case):
    def setUp(self):
        super().setUp()
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

    def end_victim(self, victim, send, recv, source, target):
        if victim == "guardian":
            pid = guardian_of(send)
            if pid:
                os.kill(pid, 9)
            return
        if victim == "both":
            send.kill()
            recv.kill()
            return
        {"send": send, "recv": recv, "target QEMU": target,
         "source QEMU": source}[victim].kill()

    def await_moment(self, dice, usual_s, send):
        """Of the whole move, or of the pause, or about COMMIT."""
        words, longest_s = dice.choice(((None, 1.1 * usual_s),
                                        ("-> switchover", 0.05),
                                        ("-> committed", 0.005)))
        if words:
            send.wait_for(words)
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
        victim = dice.choice(VICTIMS)
        target = source.twin()
        send, recv = self.start_move(source, target, "--log", "debug",
                                     recv_options=("--log", "debug"))
        self.await_moment(dice, usual_s, send)
        self.end_victim(victim, send, recv, source, target)
        if "setup -> active" not in recv.err and victim in ("send",
                                                            "source QEMU"):
            # It may wait for a source that will not come.
            send.wait()
            recv.interrupt()
        judge = (self.judge_send if victim in ("send", "both") else
                 self.judge_exit)
        what = judge(send, recv, source, target)
        story = f"{victim}\n" + send.story() + recv.story()
        both = self.runs(source), self.runs(target)
        self.assertNotEqual(both, (True, True), story)
        self.tally[f"{victim}: {what}"] += 1
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

    def test_somebody_dies_at_a_random_moment(self):
        dice = random.Random(SEED)
        qemu, usual_s = self.usual_length(self.source())
        print(f"# {KILLS} kills, seed {SEED}, a move takes {usual_s:.2f} s")
        for _ in range(KILLS):
            qemu = self.one_move(qemu, dice, usual_s) or self.source()
            self.still_whole(qemu)
        for what, count in sorted(self.tally.items()):
            print(f"# {count:4} {what}")


if __name__ == "__main__":
    rig.main()
