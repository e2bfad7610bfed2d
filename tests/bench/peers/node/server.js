// Peer (b): hypernet's answers from Node, ONNX Runtime and SQLite, with an LRU of generated weights. A cluster of one process
// a core, one thread of ONNX Runtime each, the http module alone.
//     node server.js --store FILE --model FILE --cached-users N --workers N
import cluster from 'node:cluster';
import http from 'node:http';
import { parseArgs } from 'node:util';
import { openModel } from './model.js';
import { openStore } from './store.js';

const string = { type: 'string' };
const { values: args } = parseArgs({ options: { store: string, model: string, 'cached-users': string, workers: string } });

// A Map remembers the order of insertion: what was used goes to the end.
class Lru {
  constructor(most) {
    this.most = most;
    this.entries = new Map();
  }

  get(key) {
    const value = this.entries.get(key);
    if (value) {
      this.entries.delete(key);
      this.entries.set(key, value);
    }
    return value;
  }

  put(key, value) {
    if (!this.most) return;
    this.entries.set(key, value);
    if (this.entries.size > this.most) this.entries.delete(this.entries.keys().next().value);
  }
}

function best(scores, seen, k) {
  for (const row of seen) scores[row] = -Infinity;
  const top = [];
  for (let i = 0; i < scores.length; i++) {
    if (top.length === k && scores[i] <= scores[top[k - 1]]) continue;
    let at = top.length === k ? k - 1 : top.length;
    for (; at > 0 && scores[top[at - 1]] < scores[i]; at--) top[at] = top[at - 1];
    top[at] = i;
  }
  return top;
}

async function serve() {
  const model = await openModel(args.model), store = openStore(args.store, model), cache = new Lru(Number(args['cached-users']));
  const { name, version } = model.description;

  async function acquire(user) {
    const found = cache.get(user);
    if (found) return { ...found, cache: 'hit' };
    const row = store.user(user);
    if (!row) return null;
    const made = { revision: row.revision, seen: row.seen, theta: await model.generate(row.context, row.seen) };
    cache.put(user, made);
    return { ...made, cache: 'miss' };
  }

  function answer(response, status, body, cached) {
    const text = JSON.stringify(body);
    const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) };
    if (cached) headers['x-hypernet-cache'] = cached;
    response.writeHead(status, headers);
    response.end(text);
  }

  const head = (user, revision) => ({ user, model: name, model_version: version, context_revision: revision });

  async function recommend(response, user, limit) {
    const found = await acquire(user);
    if (!found) return answer(response, 404, { title: 'unknown user' });
    const scores = await model.scores(found.theta);
    const items = best(scores, found.seen, Math.min(limit, scores.length))
      .map((i) => ({ id: model.ids[i], score: scores[i], ...store.titles[i] }));
    return answer(response, 200, { ...head(user, found.revision), items }, found.cache);
  }

  async function predict(response, user, body) {
    const { items } = JSON.parse(body), found = await acquire(user);
    if (!found) return answer(response, 404, { title: 'unknown user' });
    const scores = await model.scoresOf(found.theta, items.map((item) => model.index.get(item)));
    const predictions = items.map((id, i) => ({ id, score: scores[i] }));
    return answer(response, 200, { ...head(user, found.revision), predictions }, found.cache);
  }

  function handle(request, response) {
    const [path, query] = request.url.split('?'), [, , , user, call] = path.split('/').map(decodeURIComponent);
    const failed = (error) => answer(response, 500, { title: String(error) });
    if (request.method === 'GET') {
      const limit = Number(new URLSearchParams(query).get('limit') ?? 10);
      recommend(response, user, limit).catch(failed);
      return;
    }
    const pieces = [];
    request.on('data', (piece) => pieces.push(piece));
    request.on('end', () => (call === 'predictions' ? predict(response, user, Buffer.concat(pieces).toString())
      : Promise.reject(new Error('no such call'))).catch(failed));
  }

  http.createServer({ keepAliveTimeout: 60000 }, handle).listen({ port: 0, host: '127.0.0.1', backlog: 1024 });
}

function supervise() {
  const wanted = Number(args.workers);
  let listening = 0;
  cluster.on('listening', (_, { port }) => {
    if (++listening === wanted) console.log('listening on http://127.0.0.1:' + port);
  });
  cluster.on('exit', () => process.exit(1));
  for (let i = 0; i < wanted; i++) cluster.fork();
  process.on('SIGTERM', () => {
    cluster.removeAllListeners('exit');
    for (const worker of Object.values(cluster.workers)) worker.kill('SIGKILL');
    process.exit(0);
  });
}

if (cluster.isPrimary) supervise();
else await serve();
