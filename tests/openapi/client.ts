// A client whose types are those that openapi-typescript makes of the document: one function calls every operation,
// and the compiler says which paths, parameters, bodies and answers it has. Run as `node client.js URL TOKEN ITEM`,
// it asks a server and ends non-zero when an answer is not what its type says.
import type { components, paths } from "./api.js";

declare const process: { argv: string[]; exitCode?: number };

type Method = "get" | "put" | "post" | "delete" | "patch";
type Operation<P extends keyof paths, M extends Method> = M extends keyof paths[P] ? paths[P][M] : never;
type Parameters<O> = O extends { parameters: infer P } ? P : never;
type Query<O> = Parameters<O> extends { query?: infer Q } ? Q : never;
type InPath<O> = Parameters<O> extends { path: infer P } ? P : undefined;
type Body<O> = O extends { requestBody?: infer B } ? (B extends { content: { "application/json": infer J } } ? J : never) : never;
type Answer<O> = O extends { responses: infer R }
  ? { [S in keyof R]: S extends 200 | 201 ? (R[S] extends { content: { "application/json": infer J } } ? J : never) : never }[keyof R]
  : never;
export type Problem = components["schemas"]["Problem"];

export class Refused extends Error {
  constructor(readonly problem: Problem) {
    super(problem.title);
  }
}

export class Client {
  constructor(
    private readonly url: string,
    private readonly token?: string,
  ) {}

  async call<P extends keyof paths & string, M extends Method>(
    method: M,
    path: P,
    asked: { path?: InPath<Operation<P, M>>; query?: Query<Operation<P, M>>; body?: Body<Operation<P, M>> },
  ): Promise<Answer<Operation<P, M>>> {
    const named = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String((asked.path as Record<string, unknown>)[name])));
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(asked.query ?? {}))
      for (const one of Array.isArray(value) ? value : [value]) query.append(name, String(one));
    const headers: Record<string, string> = this.token ? { authorization: `Bearer ${this.token}` } : {};
    if (asked.body !== undefined) headers["content-type"] = "application/json";
    const answer = await fetch(`${this.url}${named}${query.size ? `?${query}` : ""}`, {
      method: method.toUpperCase(),
      headers,
      ...(asked.body === undefined ? {} : { body: JSON.stringify(asked.body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Refused(JSON.parse(text) as Problem);
    return (text ? JSON.parse(text) : undefined) as Answer<Operation<P, M>>;
  }
}

function check(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

async function visit(hn: Client, item: string): Promise<void> {
  const user = { user: "typed/ä" };
  const put = await hn.call("put", "/v1/admin/users/{user}", { path: user, body: { profile: { age: "35-44" }, interactions: [{ item }] } });
  check(put.revision > 0, "a registration has a revision");
  const told = await hn.call("post", "/v1/events", { body: { events: [{ ...user, item, weight: 2 }] } });
  check(told.accepted === 1, "one event is accepted");
  const answer = await hn.call("get", "/v1/users/{user}/recommendations", { path: user, query: { limit: 3, category: [], explain: 1 } });
  check(answer.items.length === 3 && answer.items.every((i) => typeof i.score === "number"), "three items have scores");
  const scored = await hn.call("post", "/v1/users/{user}/predictions", { path: user, body: { items: answer.items.map((i) => i.id) } });
  check(scored.predictions.length === 3, "each candidate has a prediction");
  const similar = await hn.call("get", "/v1/items/{item}/similar", { path: { item }, query: { limit: 2 } });
  check(similar.items.length === 2, "two items are similar");
  const own = await hn.call("get", "/v1/users/{user}", { path: user });
  check(own.n_interactions === 1, "the user has one interaction");
  await hn.call("delete", "/v1/admin/users/{user}", { path: user });
  const refused = await hn.call("get", "/v1/users/{user}", { path: user }).then(
    () => undefined,
    (e: unknown) => e,
  );
  check(refused instanceof Refused && refused.problem.status === 404, "who is forgotten is not found");
}

const [url, token, item] = process.argv.slice(2);
if (url && token && item)
  await visit(new Client(url, token), item).catch((e: unknown) => {
    console.error(e);
    process.exitCode = 1;
  });
