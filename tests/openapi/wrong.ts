// Each line asks for what there is not: the compiler must refuse every one of them.
import { Client } from "./client.js";

declare const hn: Client;
// @ts-expect-error no such path
void hn.call("get", "/v1/nothing", {});
// @ts-expect-error no such method of it
void hn.call("delete", "/v1/events", { body: { events: [] } });
// @ts-expect-error an event needs an item
void hn.call("post", "/v1/events", { body: { events: [{ user: "u" }] } });
// @ts-expect-error a limit is a number
void hn.call("get", "/v1/users/{user}/recommendations", { path: { user: "u" }, query: { limit: "3" } });
// @ts-expect-error the answer has no such member
void hn.call("get", "/v1/users/{user}", { path: { user: "u" } }).then((own) => own.nothing);
