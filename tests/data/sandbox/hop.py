"""Eight chains of processes, each of which lives until it has made the next one, in a session of its own. They end by themselves."""
import os
import time

for _ in range(8):
    if not os.fork():
        break
else:
    time.sleep(0.1)
    open("src/hopping", "w").close()
    os._exit(0)
end = time.monotonic() + 60
while time.monotonic() < end:
    try:
        if os.fork():
            os._exit(0)
    except OSError:
        # Whoever may make no more processes stays, and tries again.
        time.sleep(0.001)
        continue
    os.setsid()
