/** The PostgreSQL backend on a server that fails: what is tried again, what is told, and what is let go of. @module */

import {
  assert,
  assertEquals,
  assertFalse,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { Connection } from "../../backends/postgres/connection.ts";
import { adapt, adaptTransaction, type Driver, type PostgresClient, type Row } from "../../backends/postgres/driver.ts";
import { codeOf, faultOf, LateError, StaleError, translate } from "../../backends/postgres/faults.ts";
import { PostgresBackend } from "../../backends/postgres.ts";
import { statementsFor } from "../../backends/postgres/statements.ts";
import { Wakeups } from "../../backends/postgres/wakeups.ts";
import { monotonicMs, systemClock } from "../../src/clock.ts";
import {
  BackendCorruptError,
  BackendUnavailableError,
  OutcomeUnknownError,
  SchemaNewerError,
} from "../../src/errors.ts";

const withCode = (code: string, message = "") => Object.assign(new Error(message), { code });

/** A driver that answers as told; its schema is of the newest format. */
function scripted() {
  const answers = {
    query: (_text: string): readonly Row[] | Promise<readonly Row[]> => [],
    format: (): readonly Row[] => [{ version: 1000, readable_by: 1 }],
    listen: () => Promise.resolve(() => Promise.resolve()),
    open: (): void => {},
    resets: 0,
    onPayload: (_payload: string): void => {},
  };
  const query = async (text: string): Promise<readonly Row[]> => {
    if (text.includes("readable_by")) return answers.format();
    if (text.includes("pg_class") || text.includes("information_schema") || text.includes("pg_catalog")) {
      return [{ there: 1 }];
    }
    return await answers.query(text);
  };
  const driver: Driver = {
    isForeign: false,
    query,
    transaction: (work) => work({ query }),
    listen: (_channel, onPayload, onListening) => {
      answers.onPayload = onPayload;
      onListening();
      return answers.listen();
    },
    get resets() {
      return answers.resets;
    },
    reset: () => void answers.resets++,
    close: () => Promise.resolve(),
  };
  const statements = statementsFor("s");
  const connection = new Connection({
    name: "pg",
    schema: "s",
    statements,
    open: async () => {
      await Promise.resolve(answers.open());
      return driver;
    },
  });
  return { answers, connection, statements, driver };
}

const soon = (ms = 5000) => monotonicMs(systemClock) + ms;

Deno.test("faultOf() tells lost connections from refusals that may pass, and both from mistakes", () => {
  for (
    const code of ["CONNECTION_CLOSED", "EPIPE", "08006", "57P01", "57P02", "57P05", "25P03", "ERR_STREAM_DESTROYED"]
  ) {
    assertEquals(faultOf(withCode(code)), "lost", code);
  }
  for (const code of ["ECONNREFUSED", "40001", "40P01", "57P03", "25006"]) {
    assertEquals(faultOf(withCode(code)), "later");
  }
  for (const syscall of ["read", "write", "connect"]) {
    const expected = syscall === "connect" ? "later" : "lost";
    assertEquals(faultOf(Object.assign(withCode("ECONNABORTED"), { syscall })), expected, syscall);
  }
  for (const code of ["42P01", "23505", "55P03", "57P04", "22P02"]) {
    assertEquals(faultOf(withCode(code)), "final", code);
  }
  assertEquals([faultOf(new StaleError("x")), faultOf(new LateError("x"))], ["later", "lost"]);
  assertEquals(
    ["connection terminated", "Socket hang up", "broken pipe", "syntax error"].map((text) => faultOf(new Error(text))),
    [
      "lost",
      "lost",
      "lost",
      "final",
    ],
  );
  assertEquals([faultOf(withCode("42P01", "no connection")), faultOf("connection"), codeOf("x")], [
    "final",
    "final",
    "",
  ]);
});

Deno.test("translate() says what went wrong without what the client hangs on its errors", () => {
  const own = new BackendCorruptError("x");
  for (const error of [own, new TypeError("x"), new RangeError("x")]) assertStrictEquals(translate("pg", error), error);
  assertInstanceOf(translate("pg", withCode("XX001", "damaged")), BackendCorruptError);
  const held = translate("pg", withCode("55P03", "canceling statement due to lock timeout"));
  assertInstanceOf(held, BackendUnavailableError, "another transaction has held for too long");
  const lost = translate("pg", Object.assign(new Error("gone"), { query: "s3cret" }));
  assertEquals(lost.message, 'Cannot reach the backend "pg": gone');
  assertFalse("query" in Object(lost.cause));
  const refused = translate("pg", withCode("28000", 'no entry for host "::1", user "me", database "app"'));
  assertEquals(refused.message, 'Cannot reach the backend "pg": no entry for host "::1", the user, database "app"');
  assertEquals(translate("pg", withCode("ECONNREFUSED")).message, 'Cannot reach the backend "pg": ECONNREFUSED');
  assertEquals(translate("pg", new Error("")).message, 'Cannot reach the backend "pg": the connection failed');
  assertEquals(translate("pg", "a string").message, 'Cannot reach the backend "pg": a string');
});

Deno.test("Connection.read() is made again after faults that pass, and tells of one that does not", async () => {
  const { connection } = scripted();
  let tries = 0;
  const flaky = () => ++tries < 3 ? Promise.reject(withCode("ECONNRESET")) : Promise.resolve("read");
  assertEquals(await connection.read(soon(5000), flaky), "read");
  const failing = () => Promise.reject(withCode("40P01", "deadlock detected"));
  await assertRejects(() => connection.read(soon(50), failing), BackendUnavailableError);
  await assertRejects(() => connection.read(soon(), () => Promise.reject(new RangeError("mine"))), RangeError, "mine");
  await assertRejects(() => connection.read(soon(-1), flaky), BackendUnavailableError, "the time for the call is over");
  await connection.close();
});

Deno.test("Connection.read() takes its time, and no more, though the clock is set by an hour", async () => {
  const { now } = systemClock;
  for (const byMs of [-3_600_000, 3_600_000]) {
    const { connection } = scripted();
    let tries = 0;
    const jumping = (isOver: () => boolean) => () => {
      systemClock.now = () => now() + byMs;
      return ++tries > 1 && isOver() ? Promise.resolve("read") : Promise.reject(withCode("40P01", "deadlock detected"));
    };
    try {
      assertEquals(await connection.read(soon(5000), jumping(() => true)), "read", `${byMs}`);
      systemClock.now = now;
      const startedAtMs = performance.now();
      await assertRejects(() => connection.read(soon(50), jumping(() => false)), BackendUnavailableError);
      assert(performance.now() - startedAtMs < 10_000);
    } finally {
      systemClock.now = now;
    }
    await connection.close();
  }
});

Deno.test("Connection.write() does not know what became of a write whose connection was lost", async () => {
  const { connection, answers } = scripted();
  const lose = () => Promise.reject(withCode("CONNECTION_CLOSED", "closed"));
  await assertRejects(() => connection.write(soon(), lose), OutcomeUnknownError, "Cannot know what became of a write");
  await assertRejects(
    () => connection.write(soon(), () => Promise.reject(withCode("42P01", "no table"))),
    BackendUnavailableError,
  );
  await assertRejects(() => connection.write(soon(20), () => new Promise(() => {})), OutcomeUnknownError);
  assertEquals(answers.resets, 1, "a connection that does not answer is let go of");
  await connection.close();
});

Deno.test("Connection.transaction() does nothing that its caller no longer waits for", async () => {
  const { connection } = scripted();
  const deadlineMs = soon(30);
  const slow = async () => {
    while (monotonicMs(systemClock) <= deadlineMs) await Promise.resolve(); // the event loop stands still past the deadline
  };
  await assertRejects(() => connection.transaction(deadlineMs, slow, slow), BackendUnavailableError);
  await connection.close();
});

Deno.test("Connection opens anew after it could not be opened, and prepares anew after it could not be prepared", async () => {
  const { connection, answers } = scripted();
  let opens = 0;
  answers.open = () => {
    if (++opens === 1) throw withCode("ECONNREFUSED");
  };
  assertEquals(await connection.read(soon(5000), () => Promise.resolve(1)), 1);
  assertEquals(opens, 2);
  await connection.close();
  const other = scripted();
  other.answers.format = () => [{ version: 2000, readable_by: 2000 }];
  await assertRejects(() => other.connection.driver(), SchemaNewerError);
  other.answers.format = () => [];
  await assertRejects(() => other.connection.driver(), BackendCorruptError, "has lost its version");
  other.answers.format = () => {
    throw withCode("42703", "no such column");
  };
  await assertRejects(() => other.connection.driver(), BackendCorruptError, "the schema s is another's");
});

Deno.test("Connection.close() ends the tries of calls that are under way", async () => {
  const { connection } = scripted();
  const failed = assertRejects(
    () => connection.read(soon(60_000), () => Promise.reject(withCode("40P01", "deadlock detected"))),
    BackendUnavailableError,
  );
  await new Promise((resolve) => setTimeout(resolve, 20));
  await connection.close();
  await failed;
});

Deno.test("Wakeups wakes all for a payload that names no topics or is not its own, and none for what it said itself", async () => {
  const { connection, answers, statements } = scripted();
  const wakeups = new Wakeups({ connection, statements, namespace: "n", channel: "c", limitMs: 1000 });
  const woken: string[] = [];
  const ends = [await wakeups.listen("a", () => woken.push("a")), await wakeups.listen("b", () => woken.push("b"))];
  const hear = (payload: string) => {
    woken.length = 0;
    answers.onPayload(payload);
    return woken.join("");
  };
  assertEquals(hear(JSON.stringify(["other", "b"])), "b");
  assertEquals([hear(JSON.stringify(["other"])), hear("no JSON"), hear("5")], ["ab", "ab", "ab"]);
  assertEquals(hear(wakeups.payload(new Set(["a"]))), "");
  const many = new Set(Array.from({ length: 1000 }, (_, n) => `a rather long topic ${n}`));
  assertEquals(JSON.parse(wakeups.payload(many)).length, 1);
  assertEquals(JSON.parse(wakeups.payload(new Set(["a", "b"]))).slice(1), ["a", "b"]);
  for (const end of ends) await end();
  await wakeups.close();
  await connection.close();
});

Deno.test("Wakeups.listen() fails where nobody can be told of it, and makes do with a poll where the server takes no listener", async () => {
  const { connection, answers, statements } = scripted();
  const wakeups = new Wakeups({ connection, statements, namespace: "n", channel: "c", limitMs: 100 });
  answers.query = () => Promise.reject(withCode("42P01", "no such table"));
  await assertRejects(() => wakeups.listen("a", () => {}), BackendUnavailableError);
  answers.query = () => [];
  let tries = 0;
  answers.listen = async () => {
    if (++tries > 1) return async () => {};
    await new Promise((resolve) => setTimeout(resolve, 50)); // others have been told by then
    throw withCode("CONNECTION_DESTROYED", "may not listen");
  };
  let woken = 0;
  const end = await wakeups.listen("a", () => woken++);
  const deadline = Date.now() + 20_000;
  while ((tries < 2 || woken === 0) && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals(tries, 2, "where the server takes no listener, the poll wakes, and tries again");
  await end();
  await wakeups.close();
  await connection.close();
});

Deno.test("PostgresBackend refuses options that break their rules, and repeats no URL", () => {
  const client = {} as PostgresClient;
  assertThrows(() => new PostgresBackend({}), TypeError, "they must have either url or client");
  assertThrows(() => new PostgresBackend({ url: "postgres://h/d", client }), TypeError, "either url or client");
  assertThrows(() => new PostgresBackend({ client, namespace: "\ud800" }), TypeError, "it must be well-formed Unicode");
  assertThrows(() => new PostgresBackend({ client, schema: "a b" }), TypeError, "Cannot use schema");
  // What is not typed is refused in words, too.
  for (
    const options of [undefined, null, "postgres://h/d", { url: Symbol() }, { url: [Symbol()] }, {
      url: Object.create(null),
    }]
  ) {
    assertThrows(() => Reflect.construct(PostgresBackend, [options]), TypeError, "Cannot use");
  }
  assertThrows(() => new PostgresBackend({ url: "postgres://h/d", prepared: true } as object), TypeError, "takes only");
  for (const url of ["http://u:s3cret@h", "s3cret"]) {
    const error = assertThrows(() => new PostgresBackend({ url }), TypeError, "postgres://host:port/database");
    assertFalse(String(error).includes("s3cret"));
  }
});

Deno.test("adapt() takes the caller's client as it is, and says what it does not give", async () => {
  const ran: unknown[] = [];
  const client: PostgresClient = {
    unsafe: (text, parameters, options) => Promise.resolve([{ text, parameters, prepare: options?.prepare }]),
    begin: (work) => work({ unsafe: (text) => Promise.resolve([{ text }]), savepoint: () => Promise.resolve() }),
    listen: (channel, onPayload, onListening) => {
      onListening?.();
      onPayload(channel);
      return Promise.resolve({ unlisten: () => Promise.resolve(void ran.push("unlisten")) });
    },
    end: () => Promise.resolve(void ran.push("end")),
  };
  const driver = adapt(client, false);
  assertEquals(await driver.query("SELECT 1"), [{ text: "SELECT 1", parameters: [], prepare: false }]);
  assertEquals(await driver.transaction((session) => session.query("SELECT 2")), [{ text: "SELECT 2" }]);
  const end = await driver.listen("channel", (payload) => ran.push(payload), () => ran.push("listening"));
  await end();
  driver.reset();
  await driver.close();
  assertEquals(ran, ["listening", "channel", "unlisten"], "the client stays open");
  const silent = adapt({ ...client, begin: () => Promise.resolve(), unsafe: () => Promise.resolve("odd") }, true);
  await assertRejects(() => silent.query("SELECT 1"), TypeError, "it gave no rows");
  await assertRejects(() => silent.transaction(() => Promise.resolve(1)), Error, "it was not run");
});

Deno.test("adaptTransaction() works within savepoints, one after the other, and cannot listen", async () => {
  const ran: string[] = [];
  const driver = adaptTransaction({ query: (text) => (ran.push(text), Promise.resolve({ rows: [] })) }, true);
  const failed = assertRejects(() => driver.transaction(() => Promise.reject(new Error("mine"))), Error, "mine");
  const done = driver.transaction(async (session) => {
    await session.query("SELECT 1");
    return 5;
  });
  await failed;
  assertEquals(await done, 5);
  const name = "SAVEPOINT agent_coordination";
  assertEquals(ran, [name, `ROLLBACK TO ${name}`, name, "SELECT 1", `RELEASE ${name}`]);
  assertThrows(() => void driver.listen("c", () => {}, () => {}), TypeError, "Cannot listen in a transaction");
  assert(driver.isForeign);
  driver.reset();
  await driver.close();
});
