/** What the SQLite backend does when its file is taken away under it, or gives trouble and is whole again. @module */

import { assertEquals, assertRejects } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { SqliteBackend } from "../../backends/sqlite.ts";
import { BackendCorruptError } from "../../src/errors.ts";
import { codeOf, message, QUEUE, until, withBackend, withFile } from "./files.ts";

const send = (id: string) => ({ operations: [message(id)] });

/** Removes a database with its log, and waits until a look at the file is due again. */
async function remove(path: string): Promise<void> {
  for (const suffix of ["", "-wal", "-shm"]) Deno.removeSync(path + suffix);
  const fromMs = performance.now();
  await until("a look is due", () => performance.now() > fromMs + 2);
}

Deno.test("what is sent after the file was deleted is in the new file, where others find it", async () => {
  await withBackend(async (backend, path) => {
    await backend.commit(send("before"));
    await remove(path);
    await backend.commit(send("after"));
    await using other = new SqliteBackend({ path });
    assertEquals((await other.claim(QUEUE, { leaseMs: 60_000, limit: 9 })).map(({ id }) => id), ["after"]);
    assertEquals((await backend.stats(QUEUE)).leased, 1);
  });
});

Deno.test("listen() is woken by what comes into the file that is there now", async () => {
  await withBackend(async (backend, path) => {
    await backend.commit(send("before"));
    let woken = 0;
    const unlisten = await backend.listen(QUEUE, () => woken++);
    await remove(path);
    await using other = new SqliteBackend({ path });
    await other.commit(send("after"));
    await until("it is woken", () => woken > 0);
    await unlisten();
  });
});

Deno.test("SqliteBackend goes on when a file that was damaged or could not be written is whole again", async () => {
  await withBackend(async (backend, path) => {
    await backend.commit(send("m"));
    const aside = new DatabaseSync(path);
    aside.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    aside.close();
    const whole = await Deno.readFile(path);
    await Deno.truncate(path, 10_000);
    assertEquals(await codeOf(backend.claim(QUEUE, { leaseMs: 60_000 })), "BACKEND_CORRUPT");
    await Deno.writeFile(path, whole);
    assertEquals((await backend.claim(QUEUE, { leaseMs: 60_000 })).map(({ id }) => id), ["m"]);
  });
});

Deno.test("a value that is damaged fails the calls that need it, by name, and holds up nothing else", async () => {
  await withFile(async (path) => {
    await using backend = new SqliteBackend({ path });
    await backend.commit(send("first"));
    await backend.commit({ operations: [{ type: "set", key: ["k"], value: "x" }] });
    await backend.commit(send("second"));
    const database = new DatabaseSync(path);
    database.exec("UPDATE messages SET value = '{\"cut' WHERE id = 'first'; UPDATE records SET value = '{'");
    database.close();
    const claim = (limit: number) => backend.claim(QUEUE, { leaseMs: 60_000, limit });
    await assertRejects(() => Array.fromAsync(backend.messages(QUEUE, "ready")), BackendCorruptError, '"first"');
    await assertRejects(() => backend.get([["k"]]), BackendCorruptError);
    const [failed, got, sent] = await Promise.allSettled([claim(1), claim(1), backend.commit(send("third"))]);
    assertEquals([failed.status, got.status, sent.status], ["rejected", "fulfilled", "fulfilled"]);
    assertEquals(got.status === "fulfilled" && got.value.map(({ id }) => id), ["second"]);
    assertEquals((await claim(9)).map(({ id }) => id), ["third"]);
    assertEquals((await backend.stats(QUEUE)).leased, 3, "what is damaged dies once it has no attempt left");
    await backend.commit({ operations: [{ type: "purge", queue: QUEUE, id: "first" }] });
    assertEquals((await backend.stats(QUEUE)).leased, 2);
  });
});
