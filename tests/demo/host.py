#!/usr/bin/python3
"""The host side of `make run`: a small web server, and two datagrams on request."""

import http.server
import os
import socket
import threading

GUEST = os.environ["GUEST_IP"]
HOST = os.environ["HOST_IP"]
# Same shape as the Slammer worm's packet (UDP 1434, 04 01 01 ...), but without any code.
WORM = b"\x04" + b"\x01" * 96 + b"WORM-LIKE DATAGRAM, HARMLESS CONTENT" + bytes(243)


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers the guest's requests."""

    def answer(self, text: str) -> None:
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        if self.path == "/suspicious":
            self.answer("EICAR-LIKE test content\n")
        elif self.path == "/datagrams":
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
                out.sendto(WORM, (GUEST, 1434))
                out.sendto(b"harmless\n", (GUEST, 1434))
            self.answer("sent\n")
        elif self.path == "/bye":
            self.answer("bye\n")
            threading.Thread(target=self.server.shutdown).start()
        else:
            self.answer("hello from the host\n")

    def do_POST(self) -> None:
        print("a secret arrived that should have been stopped", flush=True)
        self.answer("received\n")

    def log_message(self, *_args: object) -> None:
        """No log line per request."""


http.server.ThreadingHTTPServer((HOST, 8080), Handler).serve_forever()
