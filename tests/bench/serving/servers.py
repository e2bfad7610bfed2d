"""The servers under the loads: started on a free port of 127.0.0.1, asked, measured, stopped."""
import contextlib
import http.client
import json
import os
import select
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PEERS = os.path.join(HERE, "..", "peers")
TOKEN = "bench-admin-token-0123456789"
PATIENCE_SECONDS = 120
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # a process a core, so a thread a process
TICKS = os.sysconf("SC_CLK_TCK")


class Server:
    """A process that prints `listening on http://HOST:PORT` when it answers. It may have children (workers of the same
    service): what is measured is the sum over all of them."""
    name = "?"

    def __init__(self, command, folder, env=None):
        self.stderr_path = os.path.join(folder, "%s-%d.err" % (self.name, time.monotonic_ns()))
        with open(self.stderr_path, "wb") as err:
            self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                            stderr=err, env=dict(os.environ, **(env or {})))
        self.host, self.port = self._listening()
        self.url = "http://%s:%d" % (self.host, self.port)

    def _listening(self):
        line, end = b"", time.monotonic() + PATIENCE_SECONDS
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))
            piece = os.read(self.process.stdout.fileno(), 4096) if ready else b""
            if not piece:
                raise self._not_started()
            line += piece
        host, port = line.decode().split("http://", 1)[1].split()[0].rsplit(":", 1)
        return host, int(port)

    def _not_started(self):
        self.stop()
        with open(self.stderr_path, encoding="utf-8", errors="replace") as f:
            return RuntimeError("%s did not start: %s" % (self.name, f.read()[-2000:]))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()

    def ask(self, method, path, body=None):
        """The body, as bytes, of an answer that must be 200 or 201."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE_SECONDS)
        connection.request(method, path, body=None if body is None else json.dumps(body),
                           headers={"Authorization": "Bearer " + TOKEN, "Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if answer.status not in (200, 201):
            raise RuntimeError("%s: %s %s: %d %r" % (self.name, method, path, answer.status, text[:500]))
        return text

    def call(self, method, path, body=None):
        return json.loads(self.ask(method, path, body))

    def answer_bytes(self, method, path, body=None):
        return len(self.ask(method, path, body))

    def metric(self, name):
        for line in self.ask("GET", "/metrics").decode().splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
        raise RuntimeError("no metric " + name)

    # ---- what it uses ----

    def pids(self):
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            try:
                for task in os.listdir("/proc/%d/task" % pid):
                    with open("/proc/%d/task/%s/children" % (pid, task), encoding="ascii") as f:
                        todo += map(int, f.read().split())
            except OSError:
                pass
        return found

    def cpu_seconds(self):
        total = 0
        for pid in self.pids():
            with open("/proc/%d/stat" % pid, encoding="utf-8") as f:
                fields = f.read().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def _memory_kb(self, key):
        total = 0
        for pid in self.pids():
            with open("/proc/%d/status" % pid, encoding="utf-8") as f:
                total += sum(int(line.split()[1]) for line in f if line.startswith(key + ":"))
        return total

    def peak_mb(self):
        return self._memory_kb("VmHWM") / 1024

    def resident_mb(self):
        return self._memory_kb("VmRSS") / 1024


class Hypernet(Server):
    name = "hypernet"

    def __init__(self, binary, store, model, folder, *options, name=None):
        self.name = name or self.name
        token = os.path.join(folder, "token")
        with open(token, "w", encoding="ascii") as f:
            f.write(TOKEN + "\n")
        super().__init__([binary, "serve", "--store", store, "--model", model, "--listen", "127.0.0.1:0",
                          "--admin-token-file", token, *options], folder)


class FastApi(Server):
    """(a) Python: as many processes as cores, each with an LRU of its own."""
    name = "fastapi"

    def __init__(self, store, model, folder, cached_users):
        self._run("fastapi_peer:app", folder, PEER_STORE=store, PEER_MODEL=model, PEER_CACHED_USERS=str(cached_users))

    def _run(self, app, folder, **env):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.wanted_port = free.getsockname()[1]
        Server.__init__(self, [sys.executable, "-m", "uvicorn", app, "--app-dir", PEERS, "--host", "127.0.0.1", "--port",
                               self.wanted_port, "--workers", os.cpu_count(), "--loop", "uvloop", "--http", "httptools",
                               "--no-access-log", "--log-level", "warning"], folder, {**ONE_THREAD, **env})

    def _listening(self):
        """uvicorn does not say when it answers, nor when all its processes do: each opens the files first."""
        self.host, self.port, end = "127.0.0.1", self.wanted_port, time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(OSError):
                self.call("GET", "/healthz")
                return self.host, self.port
            time.sleep(0.1)
        raise self._not_started()

    @staticmethod
    def missing():
        """What it lacks on this machine; empty when it can run."""
        done = subprocess.run([sys.executable, "-c", "import fastapi, uvicorn, uvloop, httptools, torch"],
                              stderr=subprocess.PIPE, check=False)
        return done.stderr.decode().strip().splitlines()[-1] if done.returncode else ""


class Node(Server):
    """(b) Node with ONNX Runtime: a cluster of as many processes as cores."""
    name = "node"

    def __init__(self, store, model, folder, cached_users):
        super().__init__(["node", os.path.join(PEERS, "node", "server.js"), "--store", store, "--model", model,
                          "--cached-users", str(cached_users), "--workers", os.cpu_count()], folder)

    @staticmethod
    def missing():
        try:
            done = subprocess.run(["node", "-e", "require('onnxruntime-node'); require('libsql')"], stderr=subprocess.PIPE,
                                  cwd=os.path.join(PEERS, "node"), check=False)
        except FileNotFoundError:
            return "no node"
        lines = [line for line in done.stderr.decode().splitlines() if line.startswith("Error")]
        return (lines or ["it does not run"])[0] if done.returncode else ""


class BareHttp(Server):
    """(c) libmicrohttpd alone, with a body of a given size."""
    name = "bare"

    def __init__(self, binary, folder, body_bytes):
        super().__init__([binary, body_bytes, os.cpu_count()], folder)
