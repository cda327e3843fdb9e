"""Speak HTTP on the host: METHOD URL [JSON], print the answer's JSON."""

import json
import sys
import urllib.request

method, url = sys.argv[1:3]
body = sys.argv[3].encode() if len(sys.argv) > 3 else None
request = urllib.request.Request(url, data=body, method=method)  # noqa: S310 - the tests' own loopback address
with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
    print(json.dumps(json.load(answer)))
