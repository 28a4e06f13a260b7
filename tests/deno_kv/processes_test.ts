/** Several processes on one file of Deno KV: they contend for its lock, and nothing is lost or done twice. @module */

import { assert, assertEquals, fail } from "@std/assert";
import { DenoKvBackend } from "../../backends/deno_kv.ts";
import { claimIds, QUEUE } from "../../src/testing/steps.ts";
import { withPath } from "./support.ts";

interface Report {
  readonly handled: number;
  readonly faults: readonly string[];
}

async function runWorker(...args: (string | number)[]): Promise<Report> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", new URL("worker.ts", import.meta.url).pathname, ...args.map(String)],
    stdout: "piped",
    stderr: "piped",
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

Deno.test("three busy processes on one file handle every message once", async () => {
  await withPath(async (path) => {
    const share = 200;
    const reports = await Promise.all(["a", "b", "c"].map((name) => runWorker(path, name, share, 3 * share)));
    assertEquals(reports.flatMap(({ faults }) => faults), []);
    assertEquals(reports.reduce((sum, { handled }) => sum + handled, 0), 3 * share);
    await using backend = new DenoKvBackend({ path });
    assertEquals(await backend.count(["done"]), 3 * share);
    const { ready, leased, dead } = await backend.stats(QUEUE);
    assertEquals([ready, leased, dead], [0, 0, 0]);
  });
});

Deno.test("listen() wakes for what another process sends", async () => {
  await withPath(async (path) => {
    await using backend = new DenoKvBackend({ path, pollMs: 20 });
    const { promise: woken, resolve } = Promise.withResolvers<void>();
    const unlisten = await backend.listen(QUEUE, resolve);
    const timer = setTimeout(() => fail("no wake came"), 30_000);
    const report = await runWorker(path, "sender", 1, 0);
    await woken;
    clearTimeout(timer);
    await unlisten();
    assertEquals(report.faults, []);
    assertEquals(await claimIds(backend, 10), ["sender-0"]);
  });
});
