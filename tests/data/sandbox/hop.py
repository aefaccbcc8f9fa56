"""Two chains of processes, each of which lives until it has made the next one, in a session of its own. They end by themselves.
With `group` they try to be in pace's own process group instead, and let nobody ask them to end."""
import os
import signal
import sys
import time


def join():
    """The group of whoever started the helper that is above this process."""
    pid = os.getppid()
    while True:
        fields = open(f"/proc/{pid}/stat").read().rsplit(") ", 1)[1].split()
        if open(f"/proc/{pid}/cmdline").read().startswith("pace: confine"):
            os.setpgid(0, os.getpgid(int(fields[1])))
            return
        pid = int(fields[1])


own = sys.argv[1:] != ["group"]
if not own:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(2):
    if not os.fork():
        break
else:
    time.sleep(0.1)
    open("src/hopping", "w").close()
    time.sleep(0 if own else 1000)
    os._exit(0)
if not own:
    try:
        join()
    except OSError:
        pass
end = time.monotonic() + 15
while time.monotonic() < end:
    try:
        if os.fork():
            os._exit(0)
    except OSError:
        # Whoever may make no more processes stays, and tries again.
        time.sleep(0.001)
        continue
    if own:
        os.setsid()
