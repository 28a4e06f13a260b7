/** Which client of Deno KV is opened where the caller brings none. @module */

import { assertEquals, assertRejects } from "@std/assert";
import { openDenoKv } from "../../backends/deno_kv/driver.ts";
import { Engine } from "../../backends/deno_kv/engine.ts";
import { Layout } from "../../backends/deno_kv/layout.ts";
import { openBackend } from "../../backends/open.ts";
import { BackendUnavailableError, CoordinationError } from "../../src/errors.ts";
import { FaultyKv } from "./faulty_kv.ts";

/** Runs something with another `Deno`, as on another runtime. */
async function withDeno<Result>(stand: unknown, run: () => Promise<Result>): Promise<Result> {
  const given = Object.getOwnPropertyDescriptor(globalThis, "Deno");
  try {
    Object.defineProperty(globalThis, "Deno", { value: stand, configurable: true, writable: true });
    return await run();
  } finally {
    if (given) Object.defineProperty(globalThis, "Deno", given);
  }
}

Deno.test("openDenoKv() says which flag Deno needs", async () => {
  const error = await assertRejects(() => withDeno({}, () => openDenoKv(":memory:")), CoordinationError);
  assertEquals([error.code, error.message.includes("--unstable-kv")], ["DRIVER_MISSING", true]);
});

Deno.test("openBackend() opens the default database, a file or an address of Deno KV", async () => {
  const opened: unknown[] = [];
  const { openKv } = Deno;
  const open = async (location?: string) => {
    opened.push(location);
    return await openKv(":memory:");
  };
  for (const url of ["kv:", "kv:some.db", "kv:https://kv.example/connect"]) {
    const backend = await withDeno(Object.create(Deno, { openKv: { value: open } }), () => openBackend(url));
    await backend.close();
  }
  assertEquals(opened, [undefined, "some.db", "https://kv.example/connect"]);
});

Deno.test("Layout gives a long name the same key after it has forgotten it", () => {
  const layout = new Layout("ao");
  const long = (index: number) => `${index} ${"x".repeat(100)}`;
  const before = layout.feed(long(0));
  for (let index = 0; index < 1100; index++) layout.feed(long(index));
  assertEquals(layout.feed(long(0)), before);
  assertEquals(new Set([0, 1, 2].map((index) => String(layout.feed(long(index))))).size, 3);
});

Deno.test("Engine.commit() sends nothing when there is no time left", async () => {
  const kv = await FaultyKv.open(":memory:");
  const engine = new Engine({
    open: () => Promise.resolve(kv),
    owned: true,
    timeoutMs: 1000,
    closedError: () => new Error("closed"),
  });
  await engine.read([["key"]], engine.deadline());
  await assertRejects(
    () => engine.commit((atomic) => atomic.set(["key"], 1), engine.deadline() - 1001),
    BackendUnavailableError,
    "there is no time left",
  );
  assertEquals([kv.committed.length, (await kv.getMany([["key"]]))[0]?.versionstamp], [0, null]);
  await engine.close();
});
