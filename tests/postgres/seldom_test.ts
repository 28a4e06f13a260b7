/** What the parts of the PostgreSQL backend do at answers that a server gives seldom, and not when a test wants them. @module */

import { assertEquals, assertRejects } from "@std/assert";
import { Claims, type ClaimsParts } from "../../backends/postgres/claims.ts";
import type { CommitterParts } from "../../backends/postgres/commit.ts";
import { adapt, type PostgresClient, type Row, type Session } from "../../backends/postgres/driver.ts";
import { Express } from "../../backends/postgres/express.ts";
import { QueueNumbers } from "../../backends/postgres/queues.ts";
import { Reads } from "../../backends/postgres/reads.ts";
import { statementsFor } from "../../backends/postgres/statements.ts";
import { Wakeups } from "../../backends/postgres/wakeups.ts";
import { prepareBatch, prepareClaim } from "../../src/storage/batch.ts";
import { encodeJson } from "../../src/storage/json.ts";
import { message } from "../../src/testing/steps.ts";
import { turn } from "../storage/stand_in.ts";

const statements = statementsFor("ao");
const IN_TIME_MS = 60_000;

type Parts = ClaimsParts & CommitterParts;

/** The parts of a backend on a server that gives these answers; it knows the one queue. */
function partsOn(answer: (text: string) => readonly Row[]): Parts {
  const session: Session = {
    query: (text) =>
      new Promise((resolve) => {
        resolve(text === statements.findQueues ? [{ num: 1, name: "nsqueue\x01" }] : answer(text));
      }),
  };
  type Work = (session: Session) => Promise<unknown>;
  const run = (_deadlineMs: number, work: Work) => work(session);
  const notify = { channel: "channel", payload: () => "" };
  // Of a connection, no more is used here.
  const transaction = (deadlineMs: number, _before: Work, work: Work) => run(deadlineMs, work);
  const connection = Object.assign(Object.create(null), { read: run, write: run, transaction });
  return {
    connection,
    statements,
    queues: new QueueNumbers("ns", statements),
    namespace: "ns",
    notify,
    deadline: () => Infinity,
  };
}

Deno.test("Claims.run() gives nothing where others take what is ready at each look, and ends", async () => {
  let looks = 0;
  const parts = partsOn(() => {
    looks++;
    return [{ now: 1, promotions: 0, due: false, ready: true, there: true, id: null }];
  });
  const key = ["queue"];
  const calls = [{ key, claim: prepareClaim(key, { leaseMs: 1000 }) }];
  const [claimed] = await new Claims(parts).run(calls, Infinity);
  assertEquals([await claimed, looks], [[], 5]);
});

Deno.test("Express.run() leaves a send to the other way whose id another process has just sent", async () => {
  const parts = partsOn(() => {
    throw Object.assign(new Error("duplicate key value"), { code: "23505" });
  });
  const batches = [prepareBatch({ operations: [message("a")] }, encodeJson)];
  assertEquals(await new Express(parts).run(batches, performance.now() + IN_TIME_MS, IN_TIME_MS), {
    results: [null],
    topics: new Set<string>(),
    added: 0,
  });
});

Deno.test("Express.run() passes on what else goes wrong", async () => {
  const parts = partsOn(() => {
    throw Object.assign(new Error("no room"), { code: "53100" });
  });
  const batches = [prepareBatch({ operations: [message("a")] }, encodeJson)];
  await assertRejects(
    () => new Express(parts).run(batches, performance.now() + IN_TIME_MS, IN_TIME_MS),
    Error,
    "no room",
  );
});

Deno.test("Wakeups end a listening that the server begins only after its time", async () => {
  const order: string[] = [];
  let begin = (_stop: () => Promise<void>) => {};
  const driver = {
    resets: 0,
    listen: () => new Promise<() => Promise<void>>((resolve) => begin = resolve),
  };
  const parts = partsOn(() => []);
  Object.assign(parts.connection, { driver: () => Promise.resolve(driver) });
  const wakeups = new Wakeups({ ...parts, channel: "channel", limitMs: 100 });
  const unlisten = await wakeups.listen("topic", () => {});
  order.push("listened to by the poll");
  await unlisten();
  begin(() => {
    order.push("ended");
    return Promise.resolve();
  });
  await wakeups.close();
  assertEquals(order, ["listened to by the poll", "ended"]);
});

Deno.test("Reads.messages() leaves out what has left its state between the two reads", async () => {
  const details = {
    num: 2,
    id: "b",
    value: "1",
    priority: 5,
    place: 4,
    attempts: 0,
    max_attempts: 1,
    last_error: null,
  };
  const reads = new Reads(partsOn((text) => text === statements.order ? [{ num: 1 }, { num: 2 }] : [details]));
  const pages = await Array.fromAsync(reads.messages(["queue"], 1, "ready", 10));
  assertEquals(pages.flat().map(({ id }) => id), ["b"]);
});

Deno.test("a transaction tells what went wrong in it, and of a lost connection only what the client says", async () => {
  const lost = Object.assign(new Error("write CONNECTION_CLOSED"), { code: "CONNECTION_CLOSED" });
  let rollbacks = 0;
  const client: PostgresClient = Object.assign(Object.create(null), {
    begin: (work: (sql: null) => Promise<unknown>) =>
      Promise.race([
        work(null).catch((error) => {
          rollbacks++;
          throw error;
        }),
        turn().then(() => {
          throw new Error("the client's");
        }),
      ]),
  });
  const driver = adapt(client, true);
  await assertRejects(() => driver.transaction(() => Promise.reject(lost)), Error, "the client's");
  assertEquals(rollbacks, 0);
  const fault = new RangeError("ours");
  await assertRejects(() => driver.transaction(() => Promise.reject(fault)));
  assertEquals(rollbacks, 1);
});
