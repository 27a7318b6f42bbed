# SPDX-License-Identifier: Apache-2.0
"""A program on a terminal of its own: keys go in, and what the screen was told comes out."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1b[=>]|\x07")


class Terminal:
    def __init__(self, argv, rows=24, columns=100, env=None):
        self.fd, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.popen = subprocess.Popen([str(a) for a in argv], stdin=slave, stdout=slave, stderr=slave, close_fds=True,
                                      start_new_session=True, env={**os.environ, "TERM": "xterm", **(env or {})},
                                      preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        self.text = ""  # not expected yet, without escape sequences

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1

    def send(self, keys):
        os.write(self.fd, keys.encode())

    def _read(self, seconds):
        """False at the end of the program's output."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.text = ESCAPES.sub("", self.text + data.decode(errors="replace"))
        return bool(data)

    def expect(self, pattern, timeout=10):
        """Wait for a regular expression; the text up to its end is taken, and returned."""
        end = time.monotonic() + timeout
        while not (m := re.search(pattern, self.text)):
            left = end - time.monotonic()
            if left <= 0 or not self._read(left):
                raise AssertionError(f"no {pattern!r} on the terminal, but:\n{self.text!r}")
        seen, self.text = self.text[:m.end()], self.text[m.end():]
        return seen

    def quiet(self, seconds=0.3):
        """All that still comes until nothing more does."""
        while (before := self.text) is not None:
            self._read(seconds)
            if self.text == before:
                break
        seen, self.text = self.text, ""
        return seen

    def interrupt(self):
        self.send("\x03")

    def hang_up(self):
        self.popen.send_signal(signal.SIGHUP)

    def status(self, timeout=10):
        while self._read(0.1) and self.popen.poll() is None:
            pass
        return self.popen.wait(timeout)
