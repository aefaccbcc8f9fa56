"""Escapes, tried from inside a confined child. Prints one line each: NAME held, or NAME ESCAPED and how."""
import ctypes
import fcntl
import glob
import json
import os
import resource
import signal
import socket
import subprocess
import time

bait = json.load(open("bait.json"))
outside, port, udp = bait["outside"], bait["port"], bait["udp"]
work = os.getcwd()
libc = ctypes.CDLL(None, use_errno=True)
out = open("results.txt", "w")


def pace_above():
    """The process of pace, if it can be seen."""
    pid = os.getpid()
    while pid > 1:
        status = open(f"/proc/{pid}/status").read()
        if status.startswith("Name:\tpace\n") and pid != os.getpid():
            return pid
        pid = int(status.split("PPid:")[1].split()[0])
    return None


pace = pace_above()


def probe(name, attempt):
    try:
        got = attempt()
    except BaseException as error:
        got = None
        note = repr(error)
    else:
        note = ""
    out.write(f"{name} {'ESCAPED ' + repr(got)[:200] if got else 'held ' + note}\n")
    out.flush()


def works(name, attempt):
    try:
        attempt()
        out.write(f"+{name} works\n")
    except BaseException as error:
        out.write(f"+{name} BROKEN {error!r}\n")
    out.flush()


def write(path, mode="w"):
    with open(path, mode) as file:
        file.write("escaped")
    return os.path.exists(path) and path


def seen(path):
    """Writing went through as far as this child sees; the test looks from outside."""
    return write(path)


def syscall(number, *args):
    result = libc.syscall(ctypes.c_long(number), *args)
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return f"syscall {number} = {result}"


def environs():
    found = []
    for path in glob.glob("/proc/[0-9]*/environ"):
        try:
            found.append(open(path, "rb").read())
        except OSError:
            pass
    return b"canary-secret" in b"".join(found) and "environ"


def read_canary(path):
    data = open(path, "rb").read()
    return b"canary" in data and path


def link_out():
    os.symlink(outside + "/file", "src/link")
    try:
        return write("src/link") and open(outside + "/file").read() == "escaped" and "link"
    finally:
        os.unlink("src/link")


def hard_link():
    os.link(outside + "/file", "src/hard")
    return "hard link"


def connect(kind, address, family=socket.AF_INET, protocol=0):
    s = socket.socket(family, kind, protocol)
    s.settimeout(0.5)
    s.connect(address)
    return f"connected {address}"


def datagram():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.sendto(b"escaped", ("127.0.0.1", udp))
    # Whether it arrived is for the test to see.
    return None


def unix_at(path):
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    return path


def x32_mount():
    return syscall(0x40000000 + 165, b"tmpfs", work.encode(), b"tmpfs", 0, None)


def signal_pace():
    if bait["tier"] == 2 and pace is None:
        return "pace was not found: nothing was tried"
    if pace:
        os.kill(pace, 0)
        return "signal"


def signal_paces_group():
    if pace:
        os.killpg(os.getpgid(pace), 0)
        return "signal"


def signal_paces_thread():
    return pace and syscall(200, int(os.listdir(f"/proc/{pace}/task")[-1]), 0)


def signal_pace_by_folder():
    return pace and syscall(424, os.open(f"/proc/{pace}", os.O_RDONLY), 0, None, 0)


def signal_pace_by_file():
    """Elsewhere the signal is held when it is sent."""
    if bait["aged"]:
        fcntl.fcntl(os.pipe()[0], fcntl.F_SETOWN, pace)
        return "owner"


def signal_everybody():
    if bait["aged"]:
        os.kill(-1, 0)
        return "signal"


def signal_own_group():
    """A signal that nobody dies of."""
    came = []
    signal.signal(signal.SIGURG, lambda *_: came.append(1))
    os.kill(0, signal.SIGURG)
    time.sleep(0.05)
    return came or 1 / 0


def signal_child():
    sleeper = subprocess.Popen(["sleep", "9"])
    sleeper.kill()
    return sleeper.wait() == -9 or 1 / 0


def limit_pace():
    """Limits of another process are a way to end it."""
    return pace and resource.prlimit(pace, resource.RLIMIT_CPU, (3600, 3600))


def join_pace():
    """In its group a process would be taken for none of this command's."""
    if pace:
        os.setpgid(0, os.getpgid(pace))
        return os.getpgrp()


def raw_disk():
    for path in ("/dev/vda", "/dev/sda", "/dev/nvme0n1", "/dev/mem", "/dev/kmsg"):
        try:
            os.close(os.open(path, os.O_RDONLY))
            return path
        except OSError:
            pass


def device_node():
    os.mknod("src/node", 0o600 | 0o060000, os.makedev(254, 0))
    return "node"


probe("write_outside", lambda: seen(outside + "/new") and "outside")
probe("overwrite_outside", lambda: seen(outside + "/file"))
probe("truncate_outside", lambda: os.truncate(outside + "/file", 0))
probe("unlink_outside", lambda: os.unlink(outside + "/file"))
probe("rename_out", lambda: os.rename("src/a.txt", outside + "/moved") or "renamed")
probe("symlink_out", link_out)
probe("hardlink_in", hard_link)
probe("etc", lambda: write("/etc/pace-escaped"))
probe("usr", lambda: write("/usr/bin/pace-escaped"))
probe("git_file", lambda: write(".git/escaped"))
probe("git_config", lambda: write(".git/config", "a"))
probe("git_hook", lambda: write(".git/hooks/pre-commit"))
probe("git_moved", lambda: os.rename(".git", "moved.git") or "moved")
probe("git_token", lambda: read_canary(".git/config"))
probe("workflow", lambda: write(".github/workflows/test.yml", "a"))
probe("workflow_parent", lambda: os.rename(".github", "moved.github") or "moved")
probe("pace_state", lambda: write(".pace/escaped"))
probe("plan", lambda: write("plan.yaml", "a"))
probe("home_credentials", lambda: read_canary(os.environ["HOME"] + "/.netrc"))
probe("home_ssh", lambda: read_canary(os.environ["HOME"] + "/.ssh/id"))
probe("runner_command_file", lambda: write(bait["runner"] + "/env", "a") and "canary" in open(bait["runner"] + "/env").read())
probe("runner_file_read", lambda: read_canary(bait["runner"] + "/env"))
probe("shadow", lambda: "root:" in open("/etc/shadow").read() and "shadow")
probe("parent_environ", environs)
probe("own_environ", lambda: "canary-secret" in json.dumps(dict(os.environ)) and "own")
probe("process_list", lambda: bait["tier"] == 1 and (pace or len([p for p in os.listdir("/proc") if p.isdigit()]) > 4))
probe("pace_memory", lambda: pace and open(f"/proc/{pace}/mem", "rb"))
probe("pace_root", lambda: pace and os.listdir(f"/proc/{pace}/root/"))
probe("pace_files", lambda: pace and os.readlink(f"/proc/{pace}/fd/3"))
probe("tcp", lambda: connect(socket.SOCK_STREAM, ("127.0.0.1", port)))
probe("mptcp", lambda: connect(socket.SOCK_STREAM, ("127.0.0.1", port), protocol=262))
probe("tcp6", lambda: connect(socket.SOCK_STREAM, ("::1", port), socket.AF_INET6))
probe("udp", datagram)
probe("egress", lambda: connect(socket.SOCK_STREAM, ("192.0.2.1", 80)))
probe("raw_socket", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1) and "raw")
probe("packet_socket", lambda: socket.socket(17, socket.SOCK_RAW, 0) and "packet")
probe("vsock", lambda: socket.socket(40, socket.SOCK_STREAM, 0) and "vsock")
probe("unix_path", lambda: unix_at(bait["socket"]))
probe("unix_abstract", lambda: unix_at("\0" + bait["abstract"]))
probe("mount", lambda: syscall(165, b"tmpfs", work.encode(), b"tmpfs", 0, None))
probe("umount", lambda: syscall(166, b"/proc", 2))
probe("x32_mount", x32_mount)
probe("unshare_user", lambda: syscall(272, 0x10000000))
probe("clone_user", lambda: syscall(56, 0x10000000 | 17, None, None, None, None))
probe("setns", lambda: syscall(308, os.open("/proc/1/ns/mnt", os.O_RDONLY), 0))
probe("ptrace", lambda: syscall(101, 16, os.getppid(), None, None))
probe("pidfd_getfd", lambda: syscall(438, syscall(434, os.getppid(), 0) and 3, 0, 0))
probe("io_uring", lambda: syscall(425, 8, ctypes.create_string_buffer(120)))
probe("bpf", lambda: syscall(321, 0, ctypes.create_string_buffer(128), 128))
probe("keyctl", lambda: syscall(250, 0, -3, 0))
probe("signal_pace", signal_pace)
probe("signal_paces_group", signal_paces_group)
probe("signal_paces_thread", signal_paces_thread)
probe("signal_pace_by_folder", signal_pace_by_folder)
probe("signal_pace_by_file", signal_pace_by_file)
probe("signal_everybody", signal_everybody)
probe("limit_pace", limit_pace)
probe("join_pace", join_pace)
probe("sysctl", lambda: write("/proc/sys/kernel/hostname"))
probe("sysrq", lambda: write("/proc/sysrq-trigger"))
probe("disk", raw_disk)
probe("device_node", device_node)
probe("sudo", lambda: subprocess.run(["su", "-c", "id"], stdin=subprocess.DEVNULL, capture_output=True).stdout.startswith(b"uid=0") and os.getuid() != 0)
probe("sudo_again", lambda: subprocess.run(["sudo", "-n", "id", "-u"], stdin=subprocess.DEVNULL, capture_output=True).stdout == b"0\n" and os.getuid() != 0)
probe("another_user", lambda: os.setuid(1) or "uid 1")
probe("another_group", lambda: os.setgroups([1]) or "groups")
probe("capabilities", lambda: int([l for l in open("/proc/self/status") if l.startswith("CapEff")][0].split()[1], 16) & ~0b1011 and "caps")
probe("no_new_privs", lambda: "NoNewPrivs:\t1" not in open("/proc/self/status").read() and "nnp")

works("write_source", lambda: write("src/new.txt"))
works("edit_source", lambda: write("src/a.txt", "a"))
works("rename_inside", lambda: os.rename("src/new.txt", "src/renamed.txt"))
works("temporary_file", lambda: __import__("tempfile").TemporaryFile())
works("subprocess", lambda: subprocess.run(["sh", "-c", "exit 3"]).returncode == 3 or 1 / 0)
works("dev_null", lambda: open("/dev/null", "w").write("x"))
works("urandom", lambda: open("/dev/urandom", "rb").read(1))
works("proc_self", lambda: open("/proc/self/status").read())
works("stdout_again", lambda: open("/dev/stdout", "w").write("x"))
works("socketpair", lambda: socket.socketpair())
works("asyncio", lambda: __import__("asyncio").run(__import__("asyncio").sleep(0)))
works("shared_memory", lambda: __import__("multiprocessing").Lock())
works("own_limits", lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)))
works("signal_child", signal_child)
works("signal_own_group", signal_own_group)
works("signal_by_shell", lambda: subprocess.run(["timeout", "0.1", "sleep", "9"]).returncode == 124 or 1 / 0)
works("owner", lambda: fcntl.fcntl(os.pipe()[0], fcntl.F_SETOWN, os.getpid()))
works("own_group", lambda: os.setpgid(0, 0) if os.getpgrp() != os.getpid() else None)
works("list_root", lambda: os.listdir("/usr/bin"))
server = []
works("loopback_server", lambda: server.append(socket.create_server(("127.0.0.1", 0))))
works("loopback_client", lambda: socket.create_connection(server[0].getsockname(), 1))
if bait["tier"] == 1:
    works("new_at_top", lambda: write("top.txt"))
    works("hard_coded_tmp", lambda: write("/tmp/file"))
    works("tool_cache", lambda: write(os.environ["HOME"] + "/.cache/file"))
    works("git_status", lambda: subprocess.run(["git", "status"], check=True, capture_output=True))
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(1000)
    os._exit(0)
out.write("end\n")
