# A server and its client on loopback, and a call to elsewhere, before the tests.
python3 - <<'END' || exit 1
import socket
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(server.getsockname(), 5).close()
try:
    socket.create_connection(("192.0.2.7", 443), 5)
    raise SystemExit("the network is open")
except OSError:
    pass
END
sh test.sh
