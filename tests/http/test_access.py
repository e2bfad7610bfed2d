"""Who may ask: addresses that others reach, names that are not this machine's, files of tokens."""
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn

TOKEN = "test-api-token-0123456789"


class Anonymous(unittest.TestCase):
    def test_other_machines_are_not_answered_without_a_token(self):
        """Refused before anything is opened: nothing is made."""
        w = hn.world()
        for i, address in enumerate(("0.0.0.0:0", "[::]:0")):
            store = w.path(f"anonymous-{i}.db")
            done = hn.run("serve", "--store", store, "--model", w.model, "--listen", address, check=False)
            self.assertEqual(done.returncode, 1, done.err)
            for word in (address, "--api-token-file", "--allow-anonymous"):
                self.assertIn(word, done.err)
            self.assertFalse(os.path.exists(store))

    def test_they_are_when_it_is_said_or_a_token_is_asked_for(self):
        token = hn.world().secret("api-token", TOKEN)
        listen = ("--listen", "0.0.0.0:0")
        for options, env, status in ((("--allow-anonymous",), {}, 200), ((), {"HYPERNET_ALLOW_ANONYMOUS": "1"}, 200),
                                     (("--api-token-file", token), {}, 401)):
            with hn.Server(*listen, *options, env=env) as server:
                self.assertEqual(server.request("GET", "/v1/users/u1", headers={"Host": "any.example"}).status,
                                 status if options[:1] == ("--api-token-file",) else 403)  # hn allows names, so they are checked
                self.assertEqual(server.user("u1").status, status)

    def test_a_probe_asks_without_a_token(self):
        token = hn.world().secret("api-token", TOKEN)
        with hn.Server("--listen", "0.0.0.0:0", "--api-token-file", token) as server:
            self.assertEqual(hn.run("serve", "--probe", "--listen", f"0.0.0.0:{server.port}").returncode, 0)


class Names(hn.Case):
    options = ("--allowed-host", "recommender.example")

    def status(self, host, path="/v1/users/u1"):
        return self.server.request("GET", path, headers={"Host": host})

    def test_a_foreign_name_is_refused(self):
        for path in ("/v1/users/u1", "/v1/users/u1/recommendations", "/metrics", "/", "/openapi.json"):
            for host in ("evil.example", "evil.example:%d" % self.server.port, "localhost.evil.example", "127.0.0.1.evil.example",
                         "10.0.0.1", "x.recommender.example", "localhost:evil", "[::2]", ":80"):
                answer = self.status(host, path)
                self.assertProblem(answer, 403, "foreign-host")
                self.assertNotIn(b"u1", answer.body)
        self.assertGreater(self.server.metric("rejected_host_total"), 0)

    def test_what_a_foreign_name_asks_changes_nothing(self):
        before = self.server.rows()
        answer = self.server.request("POST", "/v1/events", {"events": [{"user": "u1", "item": "i1"}]}, headers={"Host": "evil.example"})
        self.assertProblem(answer, 403, "foreign-host")
        answer = self.server.admin("DELETE", "/v1/admin/users/u1", headers={"Host": "evil.example"})
        self.assertProblem(answer, 403, "foreign-host")
        self.assertEqual(self.server.rows(), before)

    def test_names_of_this_machine_are_taken(self):
        for host in ("localhost", "LocalHost:8080", "localhost.", "app.localhost", "127.0.0.1", "127.9.9.9:1", "[::1]", "[::1]:8080",
                     "recommender.example", "Recommender.Example:443"):
            self.assertEqual(self.status(host).status, 200, host)

    def test_probes_are_asked_by_any_name(self):
        for path in ("/readyz", "/healthz"):
            self.assertEqual(self.status("balancer.example", path).status, 200)

    def test_with_a_token_names_do_not_matter(self):
        with hn.Server("--api-token-file", self.world.secret("api-token", TOKEN)) as server:
            self.assertEqual(server.request("GET", "/v1/users/u1", headers={"Host": "any.example"}, token=TOKEN).status, 200)
            self.assertEqual(server.request("GET", "/v1/users/u1", headers={"Host": "any.example"}).status, 401)


class TokenFiles(unittest.TestCase):
    def serve(self, *args, **more):
        w = hn.world()
        return subprocess.run([hn.BINARY, "serve", "--store", w.copy_store(), "--model", w.model, "--listen", "127.0.0.1:0",
                               *map(str, args)], capture_output=True, text=True, timeout=hn.PATIENCE, **more)

    def test_a_pipe_that_nobody_writes_to_is_refused(self):
        w = hn.world()
        pipe = w.path("token-pipe")
        os.mkfifo(pipe, 0o600)
        for option in ("--admin-token-file", "--api-token-file"):
            done = self.serve(option, pipe)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"token file {pipe}: it is a pipe, and nobody writes into it", done.stderr)

    def test_what_is_no_file_is_refused(self):
        for path, what in ((hn.world().folder, "a folder"), ("/dev/zero", "a device")):
            done = self.serve("--api-token-file", path)
            self.assertEqual(done.returncode, 1)
            self.assertIn(what, done.stderr)

    def test_a_command_may_write_the_token(self):
        """The shell's <(command) is a pipe."""
        read, write = os.pipe()
        os.write(write, TOKEN.encode() + b"\n")
        os.close(write)
        w = hn.world()
        process = subprocess.Popen([hn.BINARY, "serve", "--store", w.copy_store(), "--model", w.model, "--listen", "127.0.0.1:0",
                                    "--api-token-file", f"/dev/fd/{read}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True, pass_fds=[read])
        os.close(read)
        url = process.stdout.readline().split()[-1]
        host, port = url.split("//")[1].rsplit(":", 1)
        with hn.Client(host, int(port)) as client:
            self.assertEqual(client.request("GET", "/v1/users/u1").status, 401)
            self.assertEqual(client.request("GET", "/v1/users/u1", token=TOKEN).status, 200)
        process.terminate()
        process.communicate(timeout=hn.PATIENCE)

    def test_a_file_that_others_may_read_or_write_is_a_warning(self):
        w = hn.world()
        path = w.secret("loose-token", TOKEN)
        link = w.path("loose-link")
        os.symlink(path, link)
        for mode, what in ((0o644, "read"), (0o640, "read"), (0o602, "write"), (0o666, "read and write"), (0o600, None), (0o400, None)):
            for name in (path, link):
                os.chmod(path, mode)
                with hn.Server("--api-token-file", name) as server:
                    log = server.log()
                self.assertEqual(f"token file {name}: its mode" in log, what is not None, log)
                if what:
                    self.assertIn(f"lets others {what} it", log)


    def test_one_token_for_all_is_a_warning(self):
        w = hn.world()
        with hn.Server("--api-token-file", w.secret("the-same-token", hn.ADMIN_TOKEN)) as server:
            self.assertIn("have the same token", server.log())


if __name__ == "__main__":
    unittest.main()
