"""What is measured, in what order. All servers of a load run at the same time and are asked in turn, round by round, so that
whatever the machine does meanwhile meets all of them."""
import contextlib
import sys

from . import answers, micro, models, wrk
from .loads import REGISTRATION_BATCH, Loads
from .servers import BareHttp, FastApi, Hypernet, Node

MANY_USERS, MANY_BYTES = 10 ** 7, "1G"  # a cache for all of them
PLAIN = "the same without item-item"


def read_whole(path):
    """So that the system has the file in memory, and whose turn is first does not wait for the disk in place of the others."""
    with open(path, "rb") as f:
        while f.read(1 << 20):
            pass


class Plan:
    def __init__(self, world, bare_binary, results, options):
        self.world, self.bare_binary, self.results, self.options = world, bare_binary, results, options
        self.loads = Loads(world)
        self.warm_list, self.cold_list = ("10 of %s, %s" % (format(world.n_items, ","), kind) for kind in ("warm", "cold"))
        self.candidates = "%d candidates, warm" % len(self.loads.candidates)
        self.plain = self._without_neighbours()
        self.cached_bytes = None  # of a user, as hypernet counts; known after the warm load
        self.peers = []
        for peer in (FastApi, Node):
            missing = peer.missing()
            if missing:
                results.absent[peer.name] = missing
            else:
                self.peers.append(peer)

    # ---- servers ----

    def _without_neighbours(self):
        """The trained model without its item-item weights, or None when it has none."""
        if not self.world.n_pairs:
            return None
        path = self.world.path("plain.safetensors")
        models.without_neighbours(self.world.model, path)
        return path

    def _hypernet(self, store, *options):
        return Hypernet(self.world.binary, store, self.world.model, self.world.folder, *options)

    def _hypernet_plain(self, store, *options):
        return Hypernet(self.world.binary, store, self.plain, self.world.folder, *options, name=PLAIN)

    def _bare(self, server, method, path, body=None):
        """A bare server whose body has the size of this server's answer."""
        return BareHttp(self.bare_binary, self.world.folder, server.answer_bytes(method, path, body))

    @contextlib.contextmanager
    def _all(self, store, cache_bytes, cached_users):
        """hypernet and the peers that are there, on one store."""
        with contextlib.ExitStack() as stack:
            servers = [stack.enter_context(self._hypernet(store, "--cache-bytes", str(cache_bytes)))]
            servers += [stack.enter_context(peer(store, self.world.model, self.world.folder, cached_users)) for peer in self.peers]
            yield servers

    # ---- one load ----

    def _measure(self, load, servers, requests, per_request=1, warm_seconds=None, before_mb=None):
        """before_mb: resident memory of servers before their first request, by name; what it grew by is then told by user."""
        print("bench: " + load, file=sys.stderr, flush=True)
        o, rounds, user_kb = self.options, {server.name: [] for server in servers}, {}
        for server in servers:
            wrk.run(server, requests, o.seconds if warm_seconds is None else warm_seconds, o.connections)
        for server in servers:
            if before_mb and server.name in before_mb:
                user_kb[server.name] = (server.resident_mb() - before_mb[server.name]) * 1024 / len(self.world.users)
        for _ in range(o.rounds):
            for server in servers:
                rounds[server.name].append(wrk.run(server, requests, o.seconds, o.connections))
        for server in servers:
            self.results.add(load, server.name, rounds[server.name], server.peak_mb(), per_request, user_kb.get(server.name))

    def _checked(self, servers):
        answers.check(self.world, servers, self.options.checked_users, self.loads.candidates)
        answers.check_reference(self.world, servers[0], 5)

    # ---- the loads ----

    def answers(self):
        """Nothing timed: all answers, from a cache and without one."""
        for cache_bytes, cached_users in ((MANY_BYTES, MANY_USERS), (0, 0)):
            with self._all(self.world.store, cache_bytes, cached_users) as servers:
                self._checked(servers)
                print("bench: the same answers from " + ", ".join(s.name for s in servers) + " and numpy", file=sys.stderr)

    def warm(self):
        user, body, o = self.world.users[0], {"items": self.loads.candidates}, self.options
        with self._all(self.world.store, MANY_BYTES, MANY_USERS) as servers, contextlib.ExitStack() as stack:
            before_mb = {server.name: server.resident_mb() for server in servers}
            self._checked(servers)
            if self.plain:
                servers.insert(1, stack.enter_context(self._hypernet_plain(self.world.store, "--cache-bytes", MANY_BYTES)))
                before_mb[PLAIN] = servers[1].resident_mb()
            with self._bare(servers[0], "GET", answers.recommendations_path(user)) as bare:
                self._measure(self.warm_list, servers + [bare], self.loads.recommendations(), before_mb=before_mb,
                              warm_seconds=(2 if o.quick else 3) * o.seconds)  # until every user is in every cache
            self.cached_bytes = servers[0].metric("hypernet_cache_used_bytes") / servers[0].metric("hypernet_cache_entries")
            with self._bare(servers[0], "POST", answers.predictions_path(user), body) as bare:
                self._measure(self.candidates, servers + [bare], self.loads.predictions())

    def cold(self):
        with self._all(self.world.store, 0, 0) as servers, contextlib.ExitStack() as stack:
            self._checked(servers)
            if self.plain:
                servers.insert(1, stack.enter_context(self._hypernet_plain(self.world.store, "--cache-bytes", "0")))
            self._measure(self.cold_list, servers, self.loads.recommendations())

    def crowd(self):
        """A million users: Zipf's law with a cache for 1 % of them, and every request a miss, beside ten thousand users."""
        few, many = 10000, self.options.crowd
        stores = {n: self.world.crowd(n) for n in (few, many)}
        per_user = self._cached_bytes_per_user(stores[few])
        read_whole(stores[many])
        with self._all(stores[many], many // 100 * per_user, many // 100) as servers:
            self._measure("Zipf over %d users, cache for 1 %%" % many, servers, self.loads.zipf(many),
                          warm_seconds=3 * self.options.seconds)
        for n in (few, many):
            read_whole(stores[n])
            with self._all(stores[n], 0, 0) as servers:
                self._measure("cold, %d users" % n, servers, self.loads.uniform(n))

    def _cached_bytes_per_user(self, store):
        with self._hypernet(store) as server:
            before = server.metric("hypernet_cache_used_bytes")
            for i in range(100):
                server.call("GET", answers.recommendations_path("m%d" % i))
            return int((server.metric("hypernet_cache_used_bytes") - before) / 100) + 1

    def writes(self):
        with self._hypernet(self.world.copy("written.db")) as server:
            self._measure("registration, %d users a call" % REGISTRATION_BATCH, [server], self.loads.registration(),
                          per_request=REGISTRATION_BATCH)
            self._measure("events, one a call", [server], self.loads.events())
            self._measure("mixed 90/9/1", [server], self.loads.mixed())

    def micro(self):
        """Below HTTP, on one core."""
        print("bench: micro", file=sys.stderr, flush=True)
        o, world = self.options, self.world
        self.results.micro = [*micro.engine((o.bench_engine, o.bench_gather), world.folder, o.quick), *micro.json_texts(o.bench_json)]
        self.results.store = micro.store(o.bench_store, world.interactions, world.path("micro.db"))

    # ---- what comes of it ----

    def ratios(self):
        r = self.results
        for load in (self.warm_list, self.cold_list):
            ours = (load, "hypernet")
            r.compare(load + ": rate, times fastapi's", (*ours, "rate"), (load, "fastapi", "rate"), ">= 10")
            r.compare(load + ": rate, times node's", (*ours, "rate"), (load, "node", "rate"), ">= 5")
            r.compare(load + ": p99, of fastapi's", (*ours, "p99_ms"), (load, "fastapi", "p99_ms"), "<= 0.1")
            r.compare(load + ": rate, times that without item-item weights", (*ours, "rate"), (load, PLAIN, "rate"), "")
            r.state(load + ": peak MB", r.value(*ours, "peak_mb"), "<= 60")
        r.state("bytes a cached user", self.cached_bytes, "")
        r.compare(self.candidates + ": rate, of bare HTTP", (self.candidates, "hypernet", "rate"), (self.candidates, "bare", "rate"), ">= 0.5")
        r.compare("cold p50, times warm p50", (self.cold_list, "hypernet", "p50_ms"), (self.warm_list, "hypernet", "p50_ms"), "<= 2")
        many = "cold, %d users" % self.options.crowd
        r.compare("cold p99, times that of 10,000 users", (many, "hypernet", "p99_ms"), ("cold, 10000 users", "hypernet", "p99_ms"),
                  "<= 1.5")
        for row in r.micro:
            if row["what"] in ("generate", "score") and row["size"] >= 32:
                r.state("%s, %s %d: of cblas_sgemm's rate" % (row["model"], row["what"], row["size"]), row["of_ceiling"], ">= 0.7")
            if row["what"] == "generate, beside one by one" and row["model"] == "heads of 100 MB":
                r.state("%s, %d contexts: times the rate of one by one" % (row["model"], row["size"]), row["of_ceiling"], ">= 8")
            if row["what"] == "top 10 of the catalogue" and row["size"] == 10 ** 6:
                r.state("top 10 of a million items, ms on one core", row["us"] / 1e3, "<= 15")
        rate = r.value("registration, %d users a call" % REGISTRATION_BATCH, "hypernet", "rate")
        r.state("users registered a second", rate and rate * REGISTRATION_BATCH, ">= 5000")
