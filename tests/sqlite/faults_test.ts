/** What the SQLite backend does when the engine fails in the middle of its work. @module */

import { assert, assertEquals, assertInstanceOf, assertRejects, assertStrictEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { resultCode, type SqliteDatabase, type SqliteStatement, translate } from "../../backends/sqlite/driver.ts";
import { SqliteBackend } from "../../backends/sqlite.ts";
import { BackendCorruptError, BackendUnavailableError, OutcomeUnknownError } from "../../src/errors.ts";
import { ManualClock } from "../../src/testing/manual_clock.ts";
import { codeOf, message, QUEUE, until, withBackend, withFile } from "./files.ts";

/** An error as `node:sqlite` throws it. */
function sqliteError(errcode: number, text = "made by a test"): Error {
  return Object.assign(new Error(text), { code: "ERR_SQLITE_ERROR", errcode });
}

const IOERR = 10;
const LOCKED = 6;

/** A connection whose statements a test makes fail: `fault` gives what one throws before it runs, `null` for nothing. */
function faulty(path: string) {
  const inner = new DatabaseSync(path);
  const control = { fault: (_sql: string): unknown => null };
  const check = (sql: string) => {
    const fault = control.fault(sql);
    if (fault !== null) throw fault;
  };
  const wrap = (statement: SqliteStatement, sql: string): SqliteStatement => ({
    run: (...values) => (check(sql), statement.run(...values)),
    get: (...values) => (check(sql), statement.get(...values)),
    all: (...values) => (check(sql), statement.all(...values)),
    setReturnArrays: (enabled) => statement.setReturnArrays?.(enabled),
  });
  const database: SqliteDatabase = {
    exec: (sql) => (check(sql), inner.exec(sql)),
    prepare: (sql) => (check(`prepare ${sql}`), wrap(inner.prepare(sql), sql)),
    close: () => inner.close(),
  };
  return { inner, database, control };
}

/** A test of a backend with such a connection to a new file. */
function faultyTest(
  name: string,
  run: (its: ReturnType<typeof faulty> & { readonly backend: SqliteBackend; readonly path: string }) => Promise<void>,
): void {
  Deno.test(name, () =>
    withFile(async (path) => {
      const its = faulty(path);
      const backend = new SqliteBackend({ database: its.database });
      await run({ ...its, backend, path });
      await backend.close();
      its.inner.close();
    }));
}

const put = (value: number) => ({ operations: [{ type: "set" as const, key: ["k"], value }] });

faultyTest(
  "commit() says that its outcome is unknown when the disk fails at its end, and nothing else",
  async ({ backend, control }) => {
    await backend.commit(put(1));
    control.fault = (sql) => sql === "COMMIT" ? sqliteError(IOERR, "disk I/O error") : null;
    await assertRejects(
      () => backend.commit(put(2)),
      OutcomeUnknownError,
      "Cannot tell whether it was committed: disk",
    );
    control.fault = (sql) => sql === "COMMIT" ? sqliteError(13, "disk is full") : null;
    await assertRejects(() => backend.commit(put(3)), BackendUnavailableError, "disk is full");
    control.fault = () => null;
    assertEquals((await backend.get([["k"]]))[0]?.value, 1);
  },
);

faultyTest(
  "SqliteBackend leaves no half-made file when it fails while it is made, and makes it later",
  async ({ backend, control, inner }) => {
    control.fault = (sql) => sql.includes("user_version =") ? sqliteError(IOERR) : null;
    await assertRejects(() => backend.get([["k"]]), BackendUnavailableError);
    // Nor does it matter that the engine has ended the transaction by itself.
    control.fault = (sql) => sql.includes("user_version =") || sql === "ROLLBACK" ? sqliteError(IOERR) : null;
    await assertRejects(() => backend.get([["k"]]), Error);
    control.fault = () => null;
    inner.exec("ROLLBACK");
    assertEquals(await backend.get([["k"]]), [null]);
  },
);

faultyTest(
  "SqliteBackend passes on what prepares no statement for another reason than a missing table",
  async ({ backend, control }) => {
    control.fault = (sql) => sql.startsWith("prepare BEGIN") ? sqliteError(IOERR) : null;
    await assertRejects(() => backend.get([["k"]]), BackendUnavailableError);
    control.fault = (sql) => sql.startsWith("prepare BEGIN") ? sqliteError(1, "no such table: x") : null;
    await assertRejects(() => backend.get([["k"]]), BackendCorruptError, "no such table: x");
  },
);

faultyTest("ping() tells why it cannot answer, whatever was thrown", async ({ backend, control }) => {
  assertEquals((await backend.ping()).healthy, true);
  control.fault = () => "a string";
  assertEquals((await backend.ping()).error, "a string");
  control.fault = () => null;
});

faultyTest("listen() is woken after looks that failed", async ({ backend, control, path }) => {
  await using other = new SqliteBackend({ path });
  let woken = 0;
  const unlisten = await backend.listen(QUEUE, () => woken++);
  let failed = 0;
  control.fault = (sql) => sql.includes("data_version") ? (failed++, sqliteError(LOCKED)) : null;
  await other.commit({ operations: [message("m")] });
  await until("looks have failed", () => failed > 1);
  assertEquals(woken, 0);
  control.fault = () => null;
  await until("it is woken", () => woken > 0);
  await unlisten();
});

faultyTest(
  "calls that meet a lock at the same time go on when it is free, and close() waits for all of them",
  async ({ backend, control }) => {
    await backend.commit(put(1));
    control.fault = (sql) => sql === "BEGIN" ? sqliteError(LOCKED, "database is locked") : null;
    const reads = [backend.get([["k"], ["l"]]), backend.get([["k"], ["m"]])];
    let isClosed = false;
    const closing = backend.close().then(() => isClosed = true);
    await new Promise((resolve) => setTimeout(resolve, 1));
    assertEquals(isClosed, false);
    control.fault = () => null;
    for (const [entry] of await Promise.all(reads)) assertEquals(entry?.value, 1);
    await closing;
  },
);

Deno.test("changes() goes on over records that have expired and were cleaned away", async () => {
  const clock = new ManualClock();
  await withBackend(async (backend) => {
    const set = (key: string[], expiresInMs: number) => ({
      operations: [{ type: "set" as const, key, value: key.join("/"), tracked: true, expiresInMs }],
    });
    await backend.commit(set(["p", "a"], 100));
    const { cursor } = await backend.changes(["p"]);
    await clock.advance(200);
    for (let n = 0; n < 20; n++) await backend.commit(set(["q", `${n}`], 1));
    await backend.commit(set(["p", "b"], 100));
    const { entries } = await backend.changes(["p"], cursor);
    assertEquals(entries.map(({ value }) => value), ["p/b"]);
  }, { clock });
});

Deno.test("resultCode() and translate() know errors by number, by name and by words", () => {
  assertEquals(resultCode(sqliteError(26)), "NOTADB");
  assertEquals(resultCode(sqliteError(11 | 1 << 8)), "CORRUPT");
  assertEquals(resultCode(sqliteError(19)), null);
  assertEquals(resultCode(Object.assign(new Error("file is not a database"), { code: "ERR_SQLITE_ERROR" })), "NOTADB");
  assertEquals(resultCode(Object.assign(new Error("near x"), { code: "ERR_SQLITE_ERROR" })), "ERROR");
  assertEquals([resultCode("text"), resultCode(new Error("none")), resultCode({ code: "x" })], [null, null, null]);
  assertInstanceOf(translate(sqliteError(11), "b"), BackendCorruptError);
  assertInstanceOf(translate(sqliteError(14), "b"), BackendUnavailableError);
  for (const error of [sqliteError(1), sqliteError(19), new Error("another's"), "text"]) {
    assertStrictEquals(translate(error, "b"), error);
  }
  assert(!(translate(sqliteError(5), "b") instanceof BackendUnavailableError), "a lock is waited for");
});

Deno.test("what a full disk has no room for fails alone, and what makes room is done", async () => {
  await withFile(async (path) => {
    const database = new DatabaseSync(path);
    await using backend = new SqliteBackend({ database });
    await backend.ping();
    database.exec("PRAGMA max_page_count = 60");
    const value = "x".repeat(1000);
    let sent = 0;
    while (await codeOf(backend.commit({ operations: [message(`m${sent}`, { value })] })) === null) sent++;
    assert(sent > 20 && sent < 200, `${sent} messages were sent`);
    const deliveries = await backend.claim(QUEUE, { leaseMs: 60_000, limit: 20 });
    const acks = deliveries.map(({ id, token }) => ({ type: "ack", queue: QUEUE, id, token }) as const);
    const large = message("large", { value: "x".repeat(200_000) });
    const codes = await Promise.all([large, ...acks].map((each) => codeOf(backend.commit({ operations: [each] }))));
    assertEquals(codes, ["BACKEND_UNAVAILABLE", ...acks.map(() => null)]);
    assertEquals(await codeOf(backend.commit({ operations: [message("small", { value })] })), null);
    assertEquals((await backend.stats(QUEUE)).ready, sent - 20 + 1);
    await backend.close();
    database.close();
  });
});
