# SPDX-License-Identifier: Apache-2.0
"""Running programs: every call has a time limit, every background process has an owner.

A Daemon is ended by its pid.  One that belongs to a test or the demo also dies with it (PR_SET_PDEATHSIG), so
that even a killed run leaves nothing behind; scripts/lab asks for `persist` and keeps the pids in its state file.
"""
import atexit
import ctypes
import os
import signal
import subprocess
import time

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)
_live = []


class Failed(Exception):
    """A program failed or an expectation of the lab did not hold; the text is for people."""


def run(*argv, timeout=20, check=True, ns=None, env=None, stdin=None):
    """Run to the end, return CompletedProcess with text stdout and stderr."""
    argv = [str(a) for a in argv]
    if ns:
        argv = ["ip", "netns", "exec", ns, *argv]
    try:
        p = subprocess.run(argv, input=stdin, capture_output=True, text=True, errors="replace", timeout=timeout,
                           env={**os.environ, **(env or {})})
    except subprocess.TimeoutExpired as e:
        out = (e.stdout or b"").decode(errors="replace") if isinstance(e.stdout, bytes) else (e.stdout or "")
        raise Failed(f"{' '.join(argv)}: no end after {timeout} s\n{out}") from None
    if check and p.returncode:
        raise Failed(f"{' '.join(argv)}: exit status {p.returncode}\n{p.stdout}{p.stderr}")
    return p


def wait_for(what, probe, timeout=10.0, every=0.05):
    """Call probe until it returns something true, and return that.  `what` is the sentence for the failure;
    it may be a function, so that it can show the state at the end."""
    end = time.monotonic() + timeout
    while True:
        got = probe()
        if got:
            return got
        if time.monotonic() > end:
            raise Failed(f"not within {timeout:g} s: {what() if callable(what) else what}")
        time.sleep(every)


def start_time(pid):
    """The kernel's start time of a process; with the pid it names one process for ever.  None: no such one."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])


def end_pid(pid, started, grace=5.0, sig=signal.SIGTERM):
    """End a process that is not our child: politely, then not.  True if it went within the grace."""
    if start_time(pid) != started:
        return True
    os.kill(pid, sig)
    end = time.monotonic() + grace
    while start_time(pid) == started:
        if time.monotonic() > end:
            os.kill(pid, signal.SIGKILL)
            return False
        time.sleep(0.02)
    return True


class Daemon:
    """A background process with its output in a file."""

    def __init__(self, argv, log, ns=None, env=None, persist=False):
        argv = [str(a) for a in argv]
        if ns:
            argv = ["ip", "netns", "exec", ns, *argv]
        self.argv, self.log_path = argv, str(log)
        with open(log, "ab") as out:
            self.popen = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
                env={**os.environ, **(env or {})},
                preexec_fn=None if persist else lambda: _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL))
        self.pid = self.popen.pid
        if not persist:
            _live.append(self)

    def alive(self):
        return self.popen.poll() is None

    def send(self, sig):
        if self.alive():
            os.kill(self.pid, sig)

    def wait(self, timeout):
        """Exit status; None if it is still running."""
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, grace=10.0, sig=signal.SIGTERM):
        """End it; the exit status, or None if it had to be killed."""
        if self.alive():
            self.send(signal.SIGCONT)
            self.send(sig)
        status = self.wait(grace)
        if status is None:
            self.kill()
        if self in _live:
            _live.remove(self)
        return status

    def kill(self):
        if self.alive():
            os.kill(self.pid, signal.SIGKILL)
        self.popen.wait(10)
        if self in _live:
            _live.remove(self)

    def output(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()


@atexit.register
def _end_all():
    for d in list(_live):
        d.kill()


def exit_on_signals():
    """Turn SIGTERM and SIGHUP into SystemExit, so that context managers clean up."""
    def leave(sig, _frame):
        raise SystemExit(128 + sig)
    for s in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(s, leave)
