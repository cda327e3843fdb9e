"""Listen on ports of every address of this machine where nothing does yet. Arguments: the ports."""

import json
import signal
import socket
import subprocess
import sys

links = json.loads(subprocess.run(["ip", "-json", "address"], stdout=subprocess.PIPE, check=True).stdout)
listening = []
for link in links:
    for entry in link["addr_info"]:
        family = socket.AF_INET if entry["family"] == "inet" else socket.AF_INET6
        zone = (0, link["ifindex"]) if entry["scope"] == "link" and family == socket.AF_INET6 else ()
        for port in map(int, sys.argv[1:]):
            server = socket.socket(family)
            try:
                server.bind((entry["local"], port, *zone))
            except OSError:  # taken: then its owner answers
                continue
            server.listen()
            listening.append(server)
signal.pause()
