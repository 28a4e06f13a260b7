/** Files that are damaged, foreign, newer, missing or somebody else's connection. @module */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import { SqliteBackend, type SqliteDatabase } from "../../backends/sqlite.ts";
import { translate } from "../../backends/sqlite/driver.ts";
import { prepareSchema } from "../../backends/sqlite/schema.ts";
import { BackendCorruptError, BackendUnavailableError, CoordinationError, SchemaNewerError } from "../../src/errors.ts";
import { codeOf, message, QUEUE, withFile } from "./files.ts";

const SET = { type: "set", key: ["key"], value: "value" } as const;

Deno.test("SqliteBackend refuses a file that is no database, and leaves it as it was", async () => {
  await withFile(async (path) => {
    await Deno.writeTextFile(path, "no database ".repeat(1000));
    await using backend = new SqliteBackend({ path });
    await assertRejects(() => backend.get([["key"]]), BackendCorruptError, "not a database");
    await assertRejects(() => backend.commit({ operations: [SET] }), BackendCorruptError);
    const { healthy, error } = await backend.ping();
    assertEquals([healthy, typeof error], [false, "string"]);
    assertEquals(await Deno.readTextFile(path), "no database ".repeat(1000));
  });
});

Deno.test("SqliteBackend refuses another application's database, and leaves it as it was", async () => {
  await withFile(async (path) => {
    edit(path, "CREATE TABLE theirs (x)");
    const before = await Deno.readFile(path);
    await using backend = new SqliteBackend({ path });
    await assertRejects(() => backend.get([["key"]]), BackendCorruptError, "another application's");
    assertEquals(await Deno.readFile(path), before);
  });
});

Deno.test("SqliteBackend refuses a file of a newer version, and reads it again when it is of this one", async () => {
  await withFile(async (path) => {
    await store(path);
    const [row] = edit(path, "PRAGMA user_version");
    const known = Number(row?.user_version);
    assert(known >= 1);
    edit(path, `PRAGMA user_version = ${known + 1}`);
    await using backend = new SqliteBackend({ path });
    await assertRejects(() => backend.commit({ operations: [SET] }), SchemaNewerError, `${known + 1} is newer`);
    await assertRejects(() => backend.claim(QUEUE, { leaseMs: 1000 }), SchemaNewerError);
    edit(path, `PRAGMA user_version = ${known}`);
    assertEquals((await backend.get([["key"]]))[0]?.value, "value");
  });
});

Deno.test("prepareSchema() finds the tables made when another process was faster", async () => {
  await withFile((path) => {
    const database = new DatabaseSync(path);
    const late: SqliteDatabase = {
      exec: (sql) => {
        if (sql === "BEGIN IMMEDIATE") {
          const other = new DatabaseSync(path);
          prepareSchema(other, "other");
          other.close();
        }
        return database.exec(sql);
      },
      prepare: (sql) => database.prepare(sql),
      close: () => database.close(),
    };
    prepareSchema(late, "late");
    assertEquals(database.prepare("SELECT count(*) AS count FROM store").get()?.count, 1);
    database.close();
    return Promise.resolve();
  });
});

Deno.test("prepareSchema() takes no half of what another process makes for another application's data", async () => {
  await withFile((path) => {
    const database = new DatabaseSync(path);
    let isMade = false;
    const late: SqliteDatabase = {
      exec: (sql) => database.exec(sql),
      prepare: (sql) => {
        const statement = database.prepare(sql);
        const get = () => {
          const row = statement.get();
          if (isMade) return row;
          isMade = true;
          const other = new DatabaseSync(path);
          prepareSchema(other, "other");
          other.close();
          return row;
        };
        return { get, run: () => statement.run(), all: () => statement.all() };
      },
      close: () => database.close(),
    };
    prepareSchema(late, "late");
    assertEquals(database.prepare("SELECT count(*) AS count FROM store").get()?.count, 1);
    database.close();
    return Promise.resolve();
  });
});

Deno.test("SqliteBackend refuses a file of its own in which a table is missing", async () => {
  await withFile(async (path) => {
    await store(path);
    edit(path, "DROP TABLE ids");
    await using backend = new SqliteBackend({ path });
    await assertRejects(() => backend.get([["key"]]), BackendCorruptError, "no such table");
  });
});

Deno.test("SqliteBackend tells of damage that it meets later, and nothing half done is kept", async () => {
  await withFile(async (path) => {
    await using backend = new SqliteBackend({ path });
    for (let index = 0; index < 20; index++) {
      await backend.commit({ operations: [{ ...SET, key: ["n", `${index}`], value: "x".repeat(4000) }] });
    }
    await backend.close();
    // Pages behind the first few hold rows and their overflow.
    const bytes = await Deno.readFile(path);
    bytes.fill(0xff, 40_960);
    await Deno.writeFile(path, bytes);
    await using damaged = new SqliteBackend({ path });
    assertEquals(await codeOf(collect(damaged.list(["n"]))), "BACKEND_CORRUPT");
    assertEquals(await codeOf(damaged.clear(["n"])), "BACKEND_CORRUPT");
  });
});

Deno.test("SqliteBackend is unavailable while its folder is missing, and works once it is there", async () => {
  await withFile(async (path) => {
    await using backend = new SqliteBackend({ path: `${path}.d/store.sqlite` });
    await assertRejects(() => backend.commit({ operations: [SET] }), BackendUnavailableError, "unable to open");
    assertEquals((await backend.ping()).healthy, false);
    await Deno.mkdir(`${path}.d`);
    await backend.commit({ operations: [SET] });
    assertEquals((await backend.get([["key"]]))[0]?.value, "value");
  });
});

Deno.test("close() of the last handle leaves one file, with the log written back", async () => {
  await withFile(async (path) => {
    const other = new SqliteBackend({ path });
    await withOpen(path, async (backend) => {
      await backend.commit({ operations: [SET] });
      await other.get([["key"]]);
      assert((await filesBeside(path)).length > 1, "while it is open there is a log");
    });
    await other.close();
    assertEquals(await filesBeside(path), ["store.sqlite"]);
    const [row] = edit(path, "SELECT count(*) AS count FROM records");
    assertEquals(row?.count, 1);
  });
});

Deno.test("SqliteBackend makes nothing when it is closed before its first call", async () => {
  await withFile(async (path) => {
    await new SqliteBackend({ path }).close();
    assertEquals(await filesBeside(path), []);
  });
});

Deno.test("SqliteBackend sets the file up for durability as it was told", async () => {
  await withFile(async (path) => {
    for (const [synchronous, expected] of [["normal", 1], ["full", 2]] as const) {
      const database = new DatabaseSync(path);
      await using backend = new SqliteBackend({ database, synchronous });
      await backend.commit({ operations: [SET] });
      assertEquals(database.prepare("PRAGMA synchronous").get()?.synchronous, expected);
      assertEquals(database.prepare("PRAGMA journal_mode").get()?.journal_mode, "wal");
      database.close();
    }
  });
});

Deno.test("SqliteBackend works on the caller's own connection, and leaves it open", async () => {
  const database = new DatabaseSync(":memory:");
  try {
    const backend = new SqliteBackend({ database });
    assertEquals([backend.traits.durable, backend.traits.shared], [false, false]);
    await backend.commit({ operations: [message("a"), SET] });
    const [delivery] = await backend.claim(QUEUE, { leaseMs: 1000 });
    assertEquals(delivery?.value, { id: "a" });
    await backend.close();
    assertEquals(database.prepare("SELECT count(*) AS count FROM messages").get()?.count, 1);
  } finally {
    database.close();
  }
});

Deno.test("SqliteBackend takes a connection that gives no rows as arrays", async () => {
  const database = new DatabaseSync(":memory:");
  try {
    const plain = {
      exec: (sql: string) => database.exec(sql),
      prepare: (sql: string) => {
        const statement = database.prepare(sql);
        return {
          run: statement.run.bind(statement),
          get: statement.get.bind(statement),
          all: statement.all.bind(statement),
        };
      },
      close: () => database.close(),
    };
    const backend = new SqliteBackend({ database: plain });
    await backend.commit({ operations: [message("a", { priority: 7 })] });
    const [delivery] = await backend.claim(QUEUE, { leaseMs: 1000 });
    assertEquals([delivery?.id, delivery?.value, delivery?.priority, delivery?.attempt], ["a", { id: "a" }, 7, 1]);
    await backend.close();
  } finally {
    database.close();
  }
});

Deno.test("SqliteBackend says what it needs where the runtime has no node:sqlite", () => {
  const { getBuiltinModule } = process;
  try {
    for (const missing of [() => undefined, undefined]) {
      Object.assign(process, { getBuiltinModule: missing });
      const error = assertThrows(() => new SqliteBackend({ path: ":memory:" }), CoordinationError, "Node 22.13");
      assert(error instanceof CoordinationError);
      assertEquals(error.code, "DRIVER_MISSING");
    }
  } finally {
    Object.assign(process, { getBuiltinModule });
  }
});

Deno.test("SqliteBackend refuses options that break their rules, naming them", () => {
  const path = ":memory:";
  assertThrows(() => new SqliteBackend({}), TypeError, "either path or database");
  assertThrows(() => new SqliteBackend({ path: "" }), RangeError, "path");
  assertThrows(() => new SqliteBackend({ path, namespace: "" }), RangeError, "namespace");
  assertThrows(() => new SqliteBackend({ path, namespace: "\ud800" }), TypeError, "namespace");
  assertThrows(() => new SqliteBackend({ path, busyTimeoutMs: -1 }), RangeError, "busyTimeoutMs");
  assertThrows(() => new SqliteBackend({ path, busyTimeoutMs: Infinity }), RangeError, "busyTimeoutMs");
  // @ts-expect-error -- what a caller without types may pass
  assertThrows(() => new SqliteBackend({ path, synchronous: "off" }), TypeError, "synchronous");
  // @ts-expect-error -- what a caller without types may pass
  assertThrows(() => new SqliteBackend({ path, synchronous: Symbol() }), TypeError, "Cannot use synchronous");
  assertThrows(() => new SqliteBackend({ path: "\0" }), TypeError, "Cannot use path");
});

Deno.test("SqliteBackend refuses a value that is larger than it says it takes", async () => {
  await using backend = new SqliteBackend({ path: ":memory:" });
  const value = "x".repeat(backend.traits.maxValueBytes);
  assertEquals(await codeOf(backend.commit({ operations: [{ ...SET, value }] })), "VALUE_TOO_LARGE");
  // With its two quotation marks, this one fits exactly.
  await backend.commit({ operations: [{ ...SET, value: value.slice(2) }] });
  assertEquals((await backend.get([["key"]]))[0]?.value, value.slice(2));
});

Deno.test("translate() knows the errors of other drivers, which have names instead of numbers", () => {
  const raise = (code: string) => translate(Object.assign(new Error("it failed"), { code }), "test");
  assertEquals(codeName(raise("SQLITE_CORRUPT_VTAB")), "BACKEND_CORRUPT");
  assertEquals(codeName(raise("SQLITE_NOTADB")), "BACKEND_CORRUPT");
  assertEquals(codeName(raise("SQLITE_FULL")), "BACKEND_UNAVAILABLE");
  assertEquals(codeName(raise("SQLITE_IOERR_WRITE")), "BACKEND_UNAVAILABLE");
  assertEquals(raise("SQLITE_BUSY_SNAPSHOT") instanceof CoordinationError, false);
  assertEquals(codeName(raise("ENOENT")), "ENOENT");
});

function codeName(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : null;
}

/** Makes a store with one record. */
async function store(path: string): Promise<void> {
  await withOpen(path, async (backend) => void await backend.commit({ operations: [SET] }));
}

async function withOpen(path: string, run: (backend: SqliteBackend) => Promise<void>): Promise<void> {
  await using backend = new SqliteBackend({ path });
  await run(backend);
}

function edit(path: string, sql: string): Record<string, unknown>[] {
  const database = new DatabaseSync(path);
  try {
    return database.prepare(sql).all();
  } finally {
    database.close();
  }
}

async function filesBeside(path: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(path.slice(0, path.lastIndexOf("/")))) names.push(name);
  return names.sort();
}

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}
