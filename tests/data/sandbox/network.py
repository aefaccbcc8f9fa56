"""Sockets of a confined child: what must work, and what must lead nowhere. Lines as in probes.py."""
import array
import asyncio
import ctypes
import errno
import fcntl
import http.server
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.request

bait = json.load(open("bait.json"))
port, tier = bait["port"], bait["tier"]
libc = ctypes.CDLL(None, use_errno=True)
out = open("results.txt", "w")
temporary = tempfile.mkdtemp()


def probe(name, attempt):
    try:
        got = attempt()
    except BaseException:
        got, note = None, " | ".join(traceback.format_exc().splitlines()[3:])
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


def fetch(address, family, host):
    class Server(http.server.ThreadingHTTPServer):
        address_family = family

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *_):
            pass

    server = Server((address, 0), Handler)
    at = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    answers = []
    clients = [threading.Thread(target=lambda: answers.append(opener.open(f"http://{host}:{at}/").read())) for _ in range(8)]
    [client.start() for client in clients]
    [client.join() for client in clients]
    assert answers == [b"hello"] * 8, answers
    server.shutdown()
    server.server_close()
    # A server that was closed is gone: nobody else keeps it.
    for _ in range(100):
        try:
            socket.create_connection((host.strip("[]"), at), 1).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.01)
    raise AssertionError("the closed server still answers")


async def streams():
    async def echo(reader, writer):
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    at = server.sockets[0].getsockname()

    async def client(n):
        reader, writer = await asyncio.open_connection(*at)
        writer.write(b"%d\n" % n)
        assert await reader.readline() == b"%d\n" % n
        writer.close()

    await asyncio.gather(*[client(n) for n in range(50)])


def node():
    script = """
    const http = require('http');
    const server = http.createServer((_, answer) => answer.end('hello')).listen(0, () =>
      http.get({port: server.address().port, host: 'localhost'}, answer => {
        answer.on('data', data => console.log(String(data))); answer.on('end', () => process.exit(0)); }));
    """
    got = subprocess.run(["node", "-e", script], capture_output=True, timeout=60)
    assert got.stdout == b"hello\n", got


def options_are_kept():
    server = socket.create_server(("127.0.0.1", 0))
    s = socket.socket()
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    s.setblocking(False)
    assert s.connect_ex(server.getsockname()) in (0, errno.EINPROGRESS)
    assert s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) and not s.getblocking()
    assert s.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) and not os.get_inheritable(s.fileno())
    assert fcntl.fcntl(s, fcntl.F_GETFL) & os.O_NONBLOCK
    peer, _ = server.accept()
    assert s.getpeername() == server.getsockname()
    assert s.connect_ex(server.getsockname()) == errno.EISCONN
    s.close()
    # The end of a connection reaches the other side at once.
    peer.settimeout(5)
    assert peer.recv(1) == b""


def a_free_port_is_free():
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    at = s.getsockname()
    s.close()
    socket.create_server(at).close()


def thousands():
    server = socket.create_server(("127.0.0.1", 0), backlog=128)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(2500):
        client = socket.create_connection(server.getsockname())
        peer, _ = server.accept()
        client.close()
        peer.close()
    for _ in range(1500):
        socket.socket().close()
    assert len(os.listdir("/proc/self/fd")) == before


def unix(path, kind=socket.SOCK_STREAM):
    server = socket.socket(socket.AF_UNIX, kind)
    server.bind(path)
    server.listen()
    client = socket.socket(socket.AF_UNIX, kind)
    client.connect(path)
    client.send(b"hello")
    assert server.accept()[0].recv(5) == b"hello" and client.getpeername() == server.getsockname()


def handed_over():
    one, two = socket.socketpair()
    server = socket.create_server(("127.0.0.1", 0))
    rights = array.array("i", [server.fileno()])
    one.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
    got = array.array("i")
    got.frombytes(two.recvmsg(1, socket.CMSG_SPACE(4))[1][0][2])
    again = socket.socket(fileno=got[0])
    socket.create_connection(again.getsockname()).close()


def datagrams():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.sendto(b"ping", server.getsockname())
    data, sender = server.recvfrom(9)
    server.sendto(b"pong", sender)
    assert data == b"ping" and client.recv(9) == b"pong"
    client.connect(server.getsockname())
    client.send(b"again")
    assert server.recv(9) == b"again"


def message():
    server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    server.bind(("::1", 0))
    client = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    assert client.sendmsg([b"in ", b"parts"], [], 0, server.getsockname()) == 8
    data, sender = server.recvfrom(99)
    assert data == b"in parts" and sender[1] == client.getsockname()[1]
    client.connect(server.getsockname())
    assert client.getpeername() == server.getsockname()
    client.sendmsg([b"again"])
    assert server.recv(99) == b"again"
    server.sendto(b"back", client.getsockname())
    assert client.recv(9) == b"back"
    big = os.urandom(60000)
    client.send(big)
    assert server.recv(65536) == big


def free_datagram_port():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("0.0.0.0", 0))
    at = s.getsockname()
    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).bind(at)
    except OSError as error:
        assert error.errno == errno.EADDRINUSE
    else:
        raise AssertionError("two sockets have one port")
    s.close()
    again = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    again.bind(at)
    again.sendto(b"self", ("127.0.0.1", at[1]))
    assert again.recvfrom(9) == (b"self", ("127.0.0.1", at[1]))
    # Whoever sends to nobody is not told, as ever.
    again.close()
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"lost", ("127.0.0.1", at[1]))


def many_datagrams():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    for n in range(500):
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.sendto(b"%d" % n, server.getsockname())
        assert server.recv(9) == b"%d" % n
        client.close()


async def echoes():
    class Echo(asyncio.DatagramProtocol):
        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, sender):
            self.transport.sendto(data.upper(), sender)

    class Client(asyncio.DatagramProtocol):
        def __init__(self):
            self.answer = asyncio.get_running_loop().create_future()

        def datagram_received(self, data, _):
            self.answer.set_result(data)

    loop = asyncio.get_running_loop()
    server, _ = await loop.create_datagram_endpoint(Echo, ("127.0.0.1", 0))
    at = server.get_extra_info("sockname")
    client, protocol = await loop.create_datagram_endpoint(Client, remote_addr=at)
    client.sendto(b"hello")
    assert await asyncio.wait_for(protocol.answer, 5) == b"HELLO"
    client.close()
    server.close()


def node_datagrams():
    script = """
    const dgram = require('dgram');
    const server = dgram.createSocket('udp4', (data, from) => server.send('pong ' + data, from.port, from.address));
    server.bind(0, '127.0.0.1', () => {
      const client = dgram.createSocket('udp4', data => { console.log(String(data)); process.exit(0); });
      client.send('ping', server.address().port, '127.0.0.1');
    });
    """
    got = subprocess.run(["node", "-e", script], capture_output=True, timeout=60)
    assert got.stdout == b"pong ping\n", got


def datagram_to(to, family=socket.AF_INET, **options):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    return s.sendto(b"escaped", to)


def bound_pair():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.connect(server.getsockname())
    return server, client


def beside(control):
    server, client = bound_pair()
    return client.sendmsg([b"escaped"], [control])


def reconnected(bytes_):
    _, client = bound_pair()
    return libc.connect(client.fileno(), ctypes.create_string_buffer(bytes_, 16), 16) == 0 and "connected"


def past_the_peer():
    _, client = bound_pair()
    return client.sendto(b"escaped", ("127.0.0.1", bait["udp"]))


def several():
    server, client = bound_pair()
    part = (ctypes.c_void_p * 2)(ctypes.cast(ctypes.create_string_buffer(b"x"), ctypes.c_void_p).value, 1)
    name = ctypes.create_string_buffer(address(bait["udp"]), 16)
    head = struct.pack("=QIxxxxQQQQixxxxIxxxx", ctypes.addressof(name), 16, ctypes.addressof(part), 1, 0, 0, 0, 0)
    return libc.sendmmsg(client.fileno(), ctypes.create_string_buffer(head, 64), 1, 0) > 0


def joined(level, option, value):
    s = socket.socket(socket.AF_INET if level == 0 else socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(level, option, value)
    return "joined"


def written():
    server, client = bound_pair()
    assert os.write(client.fileno(), b"one") == 3 and server.recv(9) == b"one"
    assert os.writev(client.fileno(), [b"t", b"wo"]) == 3 and server.recv(9) == b"two"
    server.sendto(b"back", client.getsockname())
    assert os.read(client.fileno(), 9) == b"back"
    # Files under such numbers are files.
    one, two = os.pipe()
    os.dup2(two, 1000)
    assert os.write(1000, b"piped") == 5 and os.read(one, 9) == b"piped"
    os.close(1000)


def both_families():
    """A socket of both families, as Java's are."""
    server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    server.bind(("::ffff:127.0.0.1", 0))
    client = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    other = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    other.bind(("::1", 0))
    for _ in range(2):
        client.sendto(b"one", server.getsockname())
        data, sender = server.recvfrom(9)
        assert (data, sender[:2]) == (b"one", ("::ffff:127.0.0.1", client.getsockname()[1])), sender
        server.sendto(b"two", sender)
        assert client.recv(9) == b"two"
        client.sendto(b"three", other.getsockname())
        assert other.recvfrom(9)[1][:2] == ("::1", client.getsockname()[1])
    old = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    old.bind(("127.0.0.1", 0))
    client = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    client.connect(("::ffff:127.0.0.1", old.getsockname()[1]))
    client.send(b"four")
    data, sender = old.recvfrom(9)
    old.sendto(b"five", sender)
    assert data == b"four" and client.recv(9) == b"five"


def written_by_another_number():
    """Past the supervisor: by a call that it never sees."""
    server, client = bound_pair()
    return os.write(os.dup(client.fileno()), b"x")


def write_race():
    """What is written goes to the peer alone, whatever the number means by then."""
    server, client = bound_pair()
    other = socket.create_server(("127.0.0.1", 0))
    stream, at, stop = socket.create_connection(other.getsockname()), 1022, []
    peer = other.accept()[0]

    def swap():
        while not stop:
            os.dup2(client.fileno(), at)
            os.dup2(stream.fileno(), at)

    os.dup2(stream.fileno(), at)
    thread = threading.Thread(target=swap, daemon=True)
    thread.start()
    server.setblocking(False)
    for _ in range(4000):
        try:
            os.write(at, b"x")
            peer.recv(4096, socket.MSG_DONTWAIT)
        except OSError:
            pass
        try:
            while server.recv(9) == b"x":
                pass
        except BlockingIOError:
            pass
    stop.append(True)
    thread.join()


def datagram_race():
    """The receiver changes while the call is looked at. The socket outside tells whether it was reached."""
    server, client = bound_pair()
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    mine, other = address(server.getsockname()[1]), address(bait["udp"])
    name, stop = ctypes.create_string_buffer(mine, 16), []
    part = (ctypes.c_void_p * 2)(ctypes.cast(ctypes.create_string_buffer(b"x"), ctypes.c_void_p).value, 1)
    head = struct.pack("=QIxxxxQQQQixxxx", ctypes.addressof(name), 16, ctypes.addressof(part), 1, 0, 0, 0)
    head = ctypes.create_string_buffer(head, 56)
    stream = socket.create_connection(socket.create_server(("127.0.0.1", 0)).getsockname())
    turning = os.dup(stream.fileno())

    def swap():
        while not stop:
            name[2:4] = other[2:4]
            os.dup2(client.fileno(), turning)
            name[2:4] = mine[2:4]
            os.dup2(stream.fileno(), turning)

    server.setblocking(False)
    thread = threading.Thread(target=swap, daemon=True)
    thread.start()
    for _ in range(4000):
        libc.sendmsg(client.fileno(), head, 0)
        libc.sendto(client.fileno(), b"x", 1, 0, name, 16)
        # A stream's call goes on by itself: by then it may be the other socket's.
        libc.sendmsg(turning, head, 0x4000)
        try:
            while True:
                server.recv(9)
        except BlockingIOError:
            pass
    stop.append(True)
    thread.join()


def address(at, ip=b"\x7f\0\0\1"):
    return struct.pack("=HH4s8x", socket.AF_INET, socket.htons(at), ip)


def race():
    """The address changes while the call is looked at. The listener outside tells whether it was reached."""
    server = socket.create_server(("127.0.0.1", 0), backlog=4096)
    mine, other = address(server.getsockname()[1]), address(port)
    memory = ctypes.create_string_buffer(mine, 16)
    stop = []

    def swap():
        while not stop:
            memory[2:4] = other[2:4]
            memory[2:4] = mine[2:4]

    def drain():
        while not stop:
            try:
                server.accept()[0].close()
            except TimeoutError:
                pass

    server.settimeout(0.2)
    threads = [threading.Thread(target=swap, daemon=True), threading.Thread(target=drain, daemon=True)]
    [thread.start() for thread in threads]
    reached = 0
    for _ in range(10000):
        s = socket.socket()
        if libc.connect(s.fileno(), memory, 16) == 0:
            reached += s.getpeername()[1] == port
        s.close()
    stop.append(True)
    [thread.join() for thread in threads]
    return reached


def path_race():
    mine, other = temporary + "/race", bait["socket"]
    server = socket.socket(socket.AF_UNIX)
    server.bind(mine)
    server.listen(4096)
    link, stop = temporary + "/link", []

    def swap():
        while not stop:
            for target in (mine, other):
                os.symlink(target, link + "2")
                os.replace(link + "2", link)

    thread = threading.Thread(target=swap, daemon=True)
    thread.start()
    for _ in range(2000):
        s = socket.socket(socket.AF_UNIX)
        s.setblocking(False)
        s.connect_ex(link)
        s.close()
    stop.append(True)
    thread.join()


def descriptor_race():
    """The descriptor becomes another socket while the call is looked at."""
    memory, stop = ctypes.create_string_buffer(address(port), 16), []
    s, other = socket.socket(), socket.socket(socket.AF_UNIX)

    def swap():
        while not stop:
            os.dup2(other.fileno(), at)
            os.dup2(s.fileno(), at)

    at = os.dup(s.fileno())
    thread = threading.Thread(target=swap, daemon=True)
    thread.start()
    reached = sum(libc.connect(at, memory, 16) == 0 for _ in range(3000))
    stop.append(True)
    thread.join()
    return reached


def connect(to, family=socket.AF_INET, kind=socket.SOCK_STREAM, protocol=0, wait=1):
    s = socket.socket(family, kind, protocol)
    s.settimeout(wait)
    s.connect(to)
    return f"connected {to}"


def sent(flags, call):
    s = socket.socket()
    if call == "sendto":
        return s.sendto(b"escaped", flags, ("127.0.0.1", port))
    return s.sendmsg([b"escaped"], [], flags, ("127.0.0.1", port))


def untied():
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"\0")
    return tier == 2 and "untied"


def link_to_outside():
    os.symlink(bait["socket"], temporary + "/outside")
    return connect(temporary + "/outside", socket.AF_UNIX)


def relative():
    here = os.getcwd()
    os.chdir("/")
    try:
        return connect(bait["socket"].lstrip("/"), socket.AF_UNIX)
    finally:
        os.chdir(here)


def through_proc():
    return connect("/proc/self/root" + bait["socket"], socket.AF_UNIX)


def unix_datagram(pair, kind=socket.SOCK_DGRAM):
    sockets = socket.socketpair(socket.AF_UNIX, kind) if pair else [socket.socket(socket.AF_UNIX, kind)]
    return sockets[0].sendto(b"x", bait["datagrams"])


def own_servers():
    works("http_4", lambda: fetch("127.0.0.1", socket.AF_INET, "127.0.0.1"))
    works("http_6", lambda: fetch("::1", socket.AF_INET6, "[::1]"))
    works("http_any", lambda: fetch("0.0.0.0", socket.AF_INET, "localhost"))
    works("http_any_6", lambda: fetch("::", socket.AF_INET6, "127.0.0.1"))
    works("asyncio", lambda: asyncio.run(streams()))
    if shutil.which("node"):
        works("node", node)
    works("options", options_are_kept)
    works("free_port", a_free_port_is_free)
    works("thousands", thousands)
    works("handed_over", handed_over)
    works("unix_temporary", lambda: unix(temporary + "/stream"))
    works("unix_packets", lambda: unix(temporary + "/packets", socket.SOCK_SEQPACKET))
    works("unix_work", lambda: unix("src/stream"))
    pair = socket.socketpair()
    works("socketpair", lambda: pair[0].send(b"x"))
    works("interfaces", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0))
    works("datagrams", datagrams)
    works("datagrams_message", message)
    works("datagrams_port", free_datagram_port)
    works("datagrams_many", many_datagrams)
    works("datagrams_written", written)
    works("datagrams_of_both_families", both_families)
    works("datagrams_asyncio", lambda: asyncio.run(echoes()))
    if shutil.which("node"):
        works("datagrams_node", node_datagrams)
    if tier == 1:
        works("unix_abstract", lambda: unix("\0pace-own"))


def others():
    probe("tcp", lambda: connect(("127.0.0.1", port)))
    probe("tcp_any", lambda: connect(("0.0.0.0", port)))
    probe("tcp_mapped", lambda: connect(("::ffff:127.0.0.1", port), socket.AF_INET6))
    probe("tcp_127", lambda: connect(("127.9.9.9", port)))
    probe("egress", lambda: connect(("192.0.2.1", 80)))
    probe("egress_6", lambda: connect(("2001:db8::1", 80), socket.AF_INET6))
    probe("metadata", lambda: connect(("169.254.169.254", 80)))
    probe("mptcp", lambda: connect(("127.0.0.1", port), protocol=262))
    probe("sctp", lambda: connect(("127.0.0.1", port), protocol=132))
    probe("udp", lambda: connect(("127.0.0.1", bait["udp"]), kind=socket.SOCK_DGRAM) and tier == 2)
    probe("udp_send", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", bait["udp"])) and tier == 2)
    probe("udp_message", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendmsg([b"x"], [], 0, ("127.0.0.1", bait["udp"])) and tier == 2)
    probe("udp_out", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53)))
    probe("name", lambda: socket.getaddrinfo("pace-probe.example.org", 80))
    probe("fast_open", lambda: sent(0x20000000, "sendto"))
    probe("fast_open_message", lambda: sent(0x20000000, "sendmsg"))
    probe("untied", untied)
    probe("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
    probe("ping", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 1))
    probe("packet", lambda: socket.socket(17, socket.SOCK_RAW, 0))
    probe("netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 15))
    probe("vsock", lambda: socket.socket(40, socket.SOCK_STREAM))
    probe("bluetooth", lambda: socket.socket(31, socket.SOCK_RAW, 1))
    probe("crypto", lambda: socket.socket(38, socket.SOCK_SEQPACKET))
    probe("unix_path", lambda: connect(bait["socket"], socket.AF_UNIX))
    probe("unix_link", link_to_outside)
    probe("unix_relative", relative)
    probe("unix_proc", through_proc)
    probe("unix_docker", lambda: connect("/var/run/docker.sock", socket.AF_UNIX))
    probe("unix_abstract", lambda: connect("\0" + bait["abstract"], socket.AF_UNIX))
    probe("unix_datagram", lambda: unix_datagram(False))
    probe("unix_datagram_pair", lambda: unix_datagram(True))
    probe("unix_raw_pair", lambda: unix_datagram(True, socket.SOCK_RAW))
    if tier == 2:
        probe("udp_any", lambda: datagram_to(("0.0.0.0", bait["udp"])))
        probe("udp_mapped", lambda: datagram_to(("::ffff:127.0.0.1", bait["udp"]), socket.AF_INET6))
        probe("udp_out_6", lambda: datagram_to(("2001:db8::1", 53), socket.AF_INET6))
        probe("udp_broadcast", lambda: datagram_to(("255.255.255.255", bait["udp"])))
        probe("udp_multicast", lambda: datagram_to(("224.0.0.251", 5353)))
        probe("udp_resolver", lambda: datagram_to(("127.0.0.53", 53)) and "sent")
        probe("udp_bind", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).bind(("192.0.2.1", 0)) or "bound")
        probe("udp_way_out", lambda: beside((0, 8, struct.pack("=i4s4s", 2, bytes(4), bytes(4)))))
        probe("udp_unspecified", lambda: reconnected(bytes(16)))
        probe("udp_again", lambda: reconnected(address(bait["udp"])))
        probe("udp_past", past_the_peer)
        probe("udp_several", several)
        probe("udp_written", written_by_another_number)
        probe("udp_write_race", write_race)
        probe("udp_join", lambda: joined(0, 35, bytes([224, 1, 2, 3]) + bytes(4)))
        probe("udp_join_any", lambda: joined(0, 42, bytes(136)))
        probe("udp_join_6", lambda: joined(41, 20, bytes(20)))
        probe("udp_race", datagram_race)
    probe("race", race)
    probe("path_race", path_race)
    probe("descriptor_race", descriptor_race)


def hosts(name, allowed, other):
    def hello(to, family=socket.AF_INET):
        s = socket.socket(family)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.settimeout(5)
        s.connect(to)
        assert s.recv(5) == b"hello" and s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert not os.get_inheritable(s.fileno()) and s.gettimeout() == 5
        assert s.connect_ex(("127.0.0.1", other)) == errno.EISCONN
        libc.connect(s.fileno(), ctypes.create_string_buffer(16), 16)
        assert s.connect_ex(("127.0.0.1", other)) == errno.EISCONN

    works("by_name", lambda: socket.create_connection((name, allowed), 5).recv(5) == b"hello" or 1 / 0)
    if name == "localhost":
        works("by_address", lambda: hello(("127.0.0.1", allowed)))

    async def stream():
        reader, _ = await asyncio.open_connection(name, allowed)
        assert await reader.read(5) == b"hello"

    works("by_asyncio", lambda: asyncio.run(stream()))
    probe("other_port", lambda: connect(("127.0.0.1", other)))
    probe("other_port_by_name", lambda: socket.create_connection((name, other), 1))
    probe("other_host", lambda: connect(("192.0.2.1", allowed)))
    probe("udp", lambda: connect(("127.0.0.1", bait["udp"]), kind=socket.SOCK_DGRAM) and tier == 2)


if sys.argv[1] == "own":
    own_servers()
    others()
elif sys.argv[1] == "pairs":
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        probe(f"pair_{kind}", lambda: unix_datagram(True, kind))
elif sys.argv[1] == "hosts":
    hosts(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
else:
    # Until it is ended: the supervisor dies meanwhile.
    out.write("looping\n")
    out.flush()
    while True:
        try:
            connect(("127.0.0.1", port))
        except OSError:
            pass
out.write("end\n")
