"""One load: wrk on a server for some seconds, with the processor time that the server took meanwhile."""
import json
import os
import shutil
import subprocess

from .servers import HERE, TOKEN


def missing():
    return "" if shutil.which("wrk") else "wrk (apt-get install wrk)"


def write_requests(path, requests):
    """requests: (method, path, body) each; body a value for JSON, or None."""
    with open(path, "w", encoding="utf-8") as f:
        for method, target, body in requests:
            text = "" if body is None else json.dumps(body, separators=(",", ":"))
            f.write("%s\t%s\t%s\n" % (method, target, text))
    return path


def run(server, requests, seconds, connections, failures_allowed=False):
    """The figures of one round as a dict. A load with a failed answer is an error: its rate would mean nothing."""
    threads = min(2, os.cpu_count(), connections)
    before = server.cpu_seconds()
    done = subprocess.run(["wrk", "-t%d" % threads, "-c%d" % connections, "-d%ds" % seconds, "--timeout", "30s",
                           "-s", os.path.join(HERE, "requests.lua"), server.url],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                          env=dict(os.environ, REQUESTS=requests, BEARER="Bearer " + TOKEN))
    lines = [line[7:] for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if done.returncode or not lines:
        raise RuntimeError("wrk on %s: %s" % (server.name, done.stdout[-2000:]))
    figures = json.loads(lines[0])
    if figures["failed"] and not failures_allowed:
        raise RuntimeError("%s: %d of %d answers failed" % (server.name, figures["failed"], figures["requests"]))
    figures["rate"] = figures["requests"] / figures["seconds"]
    figures["cpu_us"] = (server.cpu_seconds() - before) * 1e6 / max(figures["requests"], 1)
    return figures
