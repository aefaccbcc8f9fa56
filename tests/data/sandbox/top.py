"""The top of the work tree: what a child makes there like anywhere else, and what it must leave alone. Lines as in probes.py."""
import ctypes
import errno
import json
import os
import shutil
import sqlite3
import subprocess
import threading

bait = json.load(open("bait.json"))
work = os.getcwd()
libc = ctypes.CDLL(None, use_errno=True)
out = open("results.txt", "w")


def probe(name, attempt):
    try:
        got = attempt()
    except BaseException as error:
        got, note = None, repr(error)
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


def sh(script):
    done = subprocess.run(["sh", "-ec", script], capture_output=True, text=True)
    assert done.returncode == 0, done
    return done.stdout


def same(got, wanted):
    assert got == wanted, got


def exclusive():
    os.close(os.open("exclusive", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    try:
        os.open("exclusive", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        return
    raise AssertionError("it was made twice")


def modes():
    old = os.umask(0o027)
    try:
        os.close(os.open("modes", os.O_CREAT | os.O_RDWR, 0o777))
        os.mkdir("modes.d", 0o775)
    finally:
        os.umask(old)
    same([oct(os.stat(path).st_mode & 0o7777) for path in ("modes", "modes.d")], ["0o750", "0o750"])
    file = os.open("flags", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.write(file, b"x")
    same(os.get_inheritable(file), False)


def by_folder():
    folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    os.close(os.open("by-folder", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
    os.mkdir("by-folder.d", dir_fd=folder)
    os.rename("by-folder", "by-folder-2", src_dir_fd=folder, dst_dir_fd=folder)
    os.unlink("by-folder-2", dir_fd=folder)
    os.rmdir("by-folder.d", dir_fd=folder)


def threads():
    def make(n):
        for i in range(3):
            with open(f"thread-{n}", "w") as file:
                file.write(str(i))
            os.rename(f"thread-{n}", f"thread-done-{n}")
            os.rename(f"thread-done-{n}", f"thread-{n}")
        assert open(f"thread-{n}").read() == "2"

    errors = []

    def caught(n):
        try:
            make(n)
        except BaseException as error:
            errors.append(error)

    all_ = [threading.Thread(target=caught, args=(n,)) for n in range(12)]
    [thread.start() for thread in all_]
    [thread.join() for thread in all_]
    assert not errors, errors


def moved():
    os.makedirs("src/deep")
    open("src/deep/file", "w").write("x")
    shutil.move("src/deep", "deep")
    shutil.move("deep", "src/deep-again")
    same(open("src/deep-again/file").read(), "x")


def moves_for_good():
    """What a name means is decided by the kernel and by one look: the folder changes meanwhile, or the name does."""
    memory = ctypes.create_string_buffer(b"src/turn/evil", 64)
    os.mkdir("turn")
    os.rmdir("turn")
    stop = []

    def swap():
        while not stop:
            for target in (work, work + "/.git", work + "/.github"):
                try:
                    os.symlink(target, "src/turn2")
                    os.replace("src/turn2", "src/turn")
                except OSError:
                    pass

    def rename():
        while not stop:
            for name in (b"src/turn/evil\0", b"src/turn/.gitmodules\0", b".gitmodules\0"):
                memory[: len(name)] = name

    helpers = [threading.Thread(target=swap), threading.Thread(target=rename)]
    [thread.start() for thread in helpers]
    for _ in range(3000):
        file = libc.open(memory, os.O_CREAT | os.O_WRONLY, 0o644)
        if file >= 0:
            os.close(file)
        libc.unlink(memory)
    stop.append(True)
    [thread.join() for thread in helpers]
    os.unlink("src/turn")
    return [path for path in (".gitmodules", ".git/evil", ".github/evil") if os.path.lexists(path)]


def made(path):
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))
    return path


def database():
    """Its journal comes and goes with every transaction."""
    at = sqlite3.connect("data.db")
    at.execute("create table one (two)")
    for n in range(300):
        at.execute("insert into one values (?)", (n,))
        at.commit()
    same(at.execute("select count(*) from one").fetchone(), (300,))
    at.close()


def removed_and_open():
    """What was removed stays whole for whoever has it open, and nobody else sees it."""
    for n in range(20):
        file = os.open("removed", os.O_CREAT | os.O_RDWR)
        os.write(file, b"old")
        os.unlink("removed")
        with open("removed", "w") as new:
            new.write("new")
        same((os.pread(file, 9, 0), open("removed").read()), (b"old", "new"))
        os.write(file, b"er")
        os.close(file)
        same(open("removed").read(), "new")
        os.unlink("removed")


def no_more():
    """The pool of a tier without mounts ends by name; a tier with mounts needs none."""
    for n in range(200):
        made(f"many-{n}")


works("file", lambda: same(sh("echo one > new.txt; echo two >> new.txt; cat new.txt; wc -l < new.txt"), "one\ntwo\n2\n"))
works("exclusive", exclusive)
works("modes", modes)
works("script", lambda: same(sh("printf '#!/bin/sh\\necho ran\\n' > run.sh; chmod +x run.sh; ./run.sh"), "ran\n"))
works("folder", lambda: same(sh("mkdir -p new/a/b; echo x > new/a/b/c; mv new/a/b/c new/d; cat new/d; rm -r new"), "x\n"))
works("in_place", lambda: same(sh("sed -i 's/.*/line/' README.md; sort -u README.md"), "line\n"))
works("replaced", lambda: same(sh("echo new > greet.tmp; mv greet.tmp greet.sh; cat greet.sh"), "new\n"))
works("removed", lambda: same(sh("rm test.sh; ls test.sh 2>/dev/null || echo gone"), "gone\n"))
works("from_below", lambda: same(sh("cd src; echo x > ../below; cat ../below"), "x\n"))
works("absolute", lambda: same(sh(f"echo x > {work}/absolute; mkdir {work}/absolute.d/; rmdir {work}/absolute.d"), ""))
works("temporary", lambda: same(sh("cp README.md $TMPDIR/x; mv $TMPDIR/x from-temporary; cat from-temporary | sort -u"), "line\n"))
works("by_folder", by_folder)
works("threads", threads)
works("moved", moved)
works("database", database)
works("removed_and_open", removed_and_open)

if bait["tier"] == 2:
    for name in (".gitmodules", ".GitModules", ".gitlab-ci.yml", "Jenkinsfile", "pace.config.yaml", ".git/new", ".git/hooks/new",
                 ".github/new", ".pace/new", ".pace/.run/new", ".circleci"):
        probe(f"make_{name}", lambda: made(name))
    for name in (".gitlab", "pace", ".circleci", ".GITHUB/x", ".git/new.d"):
        probe(f"folder_{name}", lambda: os.mkdir(name) or name)
    for one, two in ((".git", "git"), (".github", "github"), (".pace", "pace2"), ("plan.yaml", "plan2"), ("new.txt", "plan.yaml"),
                     ("new.txt", ".gitmodules"), ("new.txt", ".git/new"), ("new.txt", ".git"), (".git/config", "config"),
                     (".git/HEAD", "src/HEAD"), ("src/a.txt", ".gitmodules"), ("src", ".github")):
        probe(f"move_{one}_{two}", lambda: os.rename(one, two) or two)
    probe("exchange", lambda: libc.renameat2(-100, b"new.txt", -100, b"plan.yaml", 2) == 0)
    probe("unlink_plan", lambda: os.unlink("plan.yaml") or "plan")
    probe("unlink_git", lambda: os.unlink(".git/HEAD") or "HEAD")
    probe("rmdir_pace", lambda: os.rmdir(".pace") or "pace")
    probe("link_git", lambda: os.link("new.txt", ".git/new") or "link")
    probe("link_reserved", lambda: os.link("new.txt", ".gitmodules") or "link")
    probe("symlink_reserved", lambda: os.symlink("new.txt", ".gitmodules") or "symlink")
    probe("fifo", lambda: os.mkfifo(".gitmodules") or "fifo")
    probe("outside", lambda: made(bait["outside"] + "/new"))
    probe("magic", lambda: made(f"/proc/self/root{work}/.gitmodules"))
    probe("spare_out", lambda: [os.rename(f"{folder}/file-63", ".git/evil") for folder in
                                (f".pace/.run/{name}" for name in os.listdir(".pace/.run"))])
    probe("race", moves_for_good)
    probe("no_more", no_more)
out.write("end\n")
