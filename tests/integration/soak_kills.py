# SPDX-License-Identifier: BSD-3-Clause
"""Moves that end by `kill -9` of either side at a random moment.

What may be true afterwards:

  victim   survivor's exit        what that must mean
  target   source 1, runs on      its guest is whole, and the target's never ran
  target   source 3, unconfirmed  COMMIT may have arrived or not: a person decides
  target   source 0, completed    the target had started its guest
  source   target 0, completed    it runs the guest, whole, from the next write on
  source   target 1, never began  the guest died with its process: with the one
                                  that was killed, nobody else had it

RAMJET_KILLS says how many, RAMJET_SEED which ones; both are printed, and a
tally by kind at the end.
"""
import collections
import itertools
import os
import random
import re
import time

import rig

KILLS = int(os.environ.get("RAMJET_KILLS", "300"))
SEED = int(os.environ.get("RAMJET_SEED", "1"))
GUESTS = ("process:size=32M,write=20M,set=8M",
          "process:size=64M,write=max,set=4M,threads=2",
          "process:size=128M,write=200M,set=64M,pattern=random")
# Both sides tell of committed before they act on it.
COMMITTED = re.compile(r"switchover -> committed")


class Kills(rig.Case):
    def begin(self, dice):
        guest = dice.choice(GUESTS)
        options = ["--channels", str(dice.choice((1, 2, 4))), "--log", "debug",
                   "--backend", dice.choice(("uring", "syscalls"))]
        uri = dice.choice(("tcp:127.0.0.1:0",
                           "unix:" + self.path(f"socket{self._count}")))
        target = self.recv(guest, uri, "--log", "debug")
        return self.send(guest, target.uri, *options), target

    def usual_length(self):
        """Of a move that nobody disturbs, in seconds."""
        dice = random.Random(SEED)
        began = time.monotonic()
        for side in self.begin(dice):
            self.ends(side, 0)
        return time.monotonic() - began

    def judge(self, victim, source, target):
        """What came of it, after the victim is gone."""
        survivor = target if victim is source else source
        if survivor is target and "setup -> active" not in target.err:
            target.interrupt()  # it waits for a source, as it should
        status = survivor.wait()
        story = source.story() + target.story()
        self.assertIsNone(rig.SANITIZER.search(survivor.err), story)
        if victim is target:
            self.assertIn(status, (0, 1, 3), story)
            ran = COMMITTED.search(target.err)
            if status == 1:
                self.assertFalse(ran, "both guests run\n" + story)
                self.assertTrue(source.json["self_check"]["clean"], story)
            if status == 0:
                self.assertTrue(ran, "completed, but by whom?\n" + story)
            return "target killed: " + {0: "completed", 1: "source runs on",
                                        3: "unconfirmed"}[status]
        self.assertIn(status, (0, 1), story)
        if status == 0:
            self.assertTrue(target.json["self_check"]["clean"], story)
        return "source killed: " + ("target's guest died with it",
                                    "target runs on")[status == 0]

    def test_either_side_dies_at_a_random_moment(self):
        usual_s = self.usual_length()
        tally = collections.Counter()
        dice = random.Random(SEED)
        print(f"# seed {SEED}, {KILLS} kills in moves of some "
              f"{usual_s * 1e3:.0f} ms")
        for turn in itertools.count():
            if tally.total() - tally["over already"] >= KILLS:
                break
            with self.subTest(turn=turn):
                source, target = self.begin(dice)
                victim = dice.choice((source, target))
                time.sleep(dice.uniform(0, usual_s * 1.2))
                over = victim.process.poll() is not None
                victim.kill()
                victim.process.wait()
                victim._reader.join(rig.DEADLINE_S)
                kind = self.judge(victim, source, target)
                tally["over already" if over else kind] += 1
                for side in (source, target):
                    side.close()
        for kind, count in sorted(tally.items()):
            print(f"# {count:4} {kind}")


if __name__ == "__main__":
    rig.main()
