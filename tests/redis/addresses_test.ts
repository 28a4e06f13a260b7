/** Where the Redis backend looks for its server: what it was told, what it has learned, and what is not there any more. @module */

import { assertEquals, assertRejects } from "@std/assert";
import { Addresses, type Candidate } from "../../backends/redis/addresses.ts";
import { Connection } from "../../backends/redis/connection.ts";
import type { RedisClient, RedisClusterNode } from "../../backends/redis/driver.ts";
import { LostError } from "../../backends/redis/faults.ts";
import { Link } from "../../backends/redis/link.ts";
import { RedisBackend } from "../../backends/redis.ts";
import { BackendClosedError } from "../../src/errors.ts";
import { scriptedServer } from "./scripted_server.ts";

const IN_TIME_MS = 5000;

/** The places of a whole round, in which every server fails. */
function roundOf(addresses: Addresses): string[] {
  const tried = new Set<string>();
  const places: string[] = [];
  for (let next: Candidate | null = addresses.next(tried); next; next = addresses.next(tried)) {
    places.push(next.address === null ? "its own" : `${next.address.host}:${next.address.port}`);
  }
  return places;
}

Deno.test("Addresses of one server begin with the preferred, then the client's own, then the learned, each once", () => {
  const addresses = new Addresses(scriptedServer().client);
  assertEquals(roundOf(addresses), ["its own"]);
  addresses.learn([{ host: "a", port: 1 }, { host: "b", port: 2 }]);
  addresses.prefer({ host: "b", port: 2 });
  assertEquals(roundOf(addresses), ["b:2", "its own", "a:1"]);
});

Deno.test("Addresses of a cluster keep what its client has forgotten, and know none where it never knew any", async () => {
  const nodes: RedisClusterNode[] = [];
  let connects = 0;
  const cluster = {
    status: "wait",
    connect: () => {
      connects++;
      return Promise.reject(new Error("no node answers"));
    },
    nodes: () => nodes,
  };
  const addresses = new Addresses(cluster);
  await addresses.start();
  assertEquals([connects, roundOf(addresses)], [1, []]);
  const { client } = scriptedServer();
  nodes.push({ ...client, options: { host: "a", port: 1 } }, { ...client, options: {} });
  assertEquals(roundOf(addresses), ["a:1", ":6379"]);
  nodes.length = 0;
  addresses.prefer({ host: "b", port: 2 });
  assertEquals(roundOf(addresses), ["b:2", "a:1", ":6379"]);
});

Deno.test("RedisBackend finds the primary that a replica names, and does without the nodes of a client that asks for none", async () => {
  const replica = scriptedServer();
  const primary = scriptedServer();
  replica.answers.info = () => "role:slave\r\nmaster_host:primary\r\nmaster_port:7000\r\n";
  primary.answers.info = () => "role:master\r\nredis_mode:cluster\r\n";
  primary.answers.script = () => ["ok", 0, 7];
  const client: RedisClient = {
    duplicate: (options) => {
      const isPrimary = "host" in options && options.host === "primary";
      const connection = (isPrimary ? primary : replica).client.duplicate(options);
      return Object.defineProperty(connection, "cluster", { value: undefined });
    },
  };
  await using backend = new RedisBackend({ client });
  assertEquals(await backend.count([]), 7);
});

Deno.test("Link.run() sends nothing once the connection is lost", async () => {
  const link = new Link({ client: scriptedServer().client, address: null }, IN_TIME_MS);
  await link.greet(performance.now() + IN_TIME_MS);
  link.drop();
  let sent = 0;
  await assertRejects(
    () => link.run(() => Promise.resolve(sent++), performance.now() + IN_TIME_MS),
    LostError,
    "the connection is lost",
  );
  assertEquals(sent, 0);
  await link.closed;
});

Deno.test("Connection.link() makes none once it is closed", async () => {
  const connection = new Connection("r", () => Promise.resolve(new Addresses(scriptedServer().client)));
  await connection.close();
  await assertRejects(() => connection.link(performance.now() + IN_TIME_MS), BackendClosedError);
});

Deno.test("commit() of acknowledgements tells which of them came too late", async () => {
  const { client, answers } = scriptedServer();
  await using backend = new RedisBackend({ client });
  answers.script = () => ["ok", Date.now(), "!1"];
  const operations = ["a", "b"].map((id) => ({ type: "ack" as const, queue: ["q"], id, token: "t" }));
  assertEquals(await backend.commit({ operations }), { committed: false, reason: "lease_lost", index: 1 });
});

Deno.test("Link.retire() gives what is under way its answer before it ends", async () => {
  const link = new Link({ client: scriptedServer().client, address: null }, IN_TIME_MS);
  await link.greet(performance.now() + IN_TIME_MS);
  let answer = (_reply: string) => {};
  const running = link.run(() => new Promise<string>((resolve) => answer = resolve), performance.now() + IN_TIME_MS);
  link.retire();
  assertEquals(link.isOpen, true);
  answer("late");
  assertEquals([await running, link.isOpen], ["late", false]);
  await link.closed;
});
