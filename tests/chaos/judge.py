# SPDX-License-Identifier: BSD-3-Clause
"""What must be true of a run, whatever was done to it.

  source's end     what that must mean
  0, completed     the target has started its guest, whole, from the next write
                   on; unless it was ended afterwards it runs
  1, failed        the source's guest runs on, whole; the target's never ran
  3, unconfirmed   COMMIT was on its way; the target's guest runs, or does not;
                   the source's stands still
  killed           the target's guest runs, whole, if COMMIT has reached it;
                   else it never ran

In all of them no guest has written once the other one had gone on from where it
was: that is read from their own counters."""
import re
import threading

import rig

COMMITTED = re.compile(r"switchover -> committed")
LOOK_EVERY_S = 0.005
KILLED = -9


class Watcher:
    """Follows both guests' counters of writes.

    The target's is a copy of what the source's has been, until its guest runs.
    Looked at before the source's it is larger only if the guest there has
    written by itself: from then on the source's must not change."""

    def __init__(self, source, target):
        """Memory of either, or None."""
        self.memories = {"source": source, "target": target}
        self.last = {"source": None, "target": None}
        self.source_when_passed = None
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._follow, daemon=True)
        self.thread.start()

    def _follow(self):
        while not self.over.wait(LOOK_EVERY_S):
            self.look()

    def look(self):
        with self.lock:
            now = {}
            for side in ("target", "source"):
                memory = self.memories[side]
                now[side] = memory.writes() if memory else None
                if now[side] is not None:
                    self.last[side] = now[side]
            # Of one that is gone nobody knows how far it had come.
            if self.source_when_passed is None and None not in now.values() \
                    and now["target"] > now["source"]:
                self.source_when_passed = now["source"]

    def close(self):
        self.over.set()
        self.thread.join()
        for memory in self.memories.values():
            if memory:
                memory.close()


def story(run):
    return str(run.plan) + "\n" + "\n".join(
        f"{side.story()}" for side in (run.source, run.target) if side)


def committed(side):
    return bool(side and COMMITTED.search(side.err))


def status(side):
    """Exit status; -9: killed; None: there is none."""
    return side.process.returncode if side else None


def check_counters(run):
    """No guest wrote after the other one had gone on from it."""
    last = run.watcher.last
    passed = run.watcher.source_when_passed
    if passed is not None:
        run.assertEqual(last["source"], passed,
                        "both guests ran: the source's went on writing after "
                        "the target's had\n" + story(run))
        # It was killed, or tells about it.
        run.assertTrue(status(run.target) != 1, "the target's guest ran, and "
                       "it says it didn't\n" + story(run))
        run.assertNotEqual(status(run.source), 1, "the target's guest ran, "
                           "and the source's runs on\n" + story(run))
    if status(run.target) == 0 and last["source"] is not None:
        first = run.target.json["self_check"]["first_write"]
        run.assertLessEqual(last["source"], first, "the target's guest went "
                            "on from before the source's last write\n"
                            + story(run))


def check_sides(run):
    """Whoever ended by itself ended in order, with a whole guest."""
    for side in (run.source, run.target):
        if side:
            run.assertIsNone(rig.SANITIZER.search(side.err), story(run))
    run.assertIn(status(run.source), (0, 1, 3, KILLED), story(run))
    run.assertIn(status(run.target), (0, 1, KILLED, None), story(run))
    if status(run.source) == KILLED:
        run.assertIn("source", run.killed, story(run))
    if status(run.target) == KILLED:
        run.assertTrue("target" in run.killed or run.group, story(run))
    if status(run.target) == 0:
        run.assertTrue(run.target.json["self_check"]["clean"], story(run))
    if status(run.target) == 1:
        # It may have been refused by its guest, and never by its memory.
        run.assertNotIn("self-check", run.target.err, story(run))
        run.assertNotIn("verify", run.target.json["error"] or "", story(run))
        run.assertFalse(committed(run.target), story(run))


def judge_failed(run):
    run.assertFalse(committed(run.target), "both run\n" + story(run))
    run.assertNotEqual(status(run.target), 0, "both run\n" + story(run))
    check = run.source.json["self_check"]
    # It was found running, and then looked at all of its memory. How much it
    # wrote meanwhile is up to the machine.
    run.assertTrue(check and check["clean"], story(run))
    return "source went on" + (
        ", cancelled" if run.source.json["status"] == "cancelled" else "")


def where_it_runs(run):
    return {0: "runs there", 1: "runs nowhere",
            None: "stream only"}.get(status(run.target), "killed there")


def kind(run):
    """What came of the run; anything that may not be is an assertion."""
    check_sides(run)
    check_counters(run)
    ended = status(run.source)
    if ended == 1:
        return judge_failed(run)
    if ended == 3:
        run.assertTrue(committed(run.source), "unconfirmed without a COMMIT\n"
                       + story(run))
        return "unconfirmed, " + where_it_runs(run)
    if ended == 0:
        proof = run.target if run.plan.way == "stream" else run.source
        run.assertTrue(proof.json["verify"]["identical"], story(run))
        if run.target:
            run.assertIn(status(run.target), (0, KILLED), story(run))
        return "completed" + ("" if status(run.target) != KILLED else
                              ", then killed there")
    return "source killed, " + where_it_runs(run)
