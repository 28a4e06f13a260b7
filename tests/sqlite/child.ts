/**
 * Another process that uses a file, as the tests tell it: `child.ts ROLE PATH [ARGUMENT...]`. It prints a line for each
 * thing that it has done.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- its output is what it is for

import { SqliteBackend } from "../../backends/sqlite.ts";
import { message, QUEUE, until } from "./files.ts";

const [role = "", path = "", ...rest] = Deno.args;
const backend = new SqliteBackend({ path, busyTimeoutMs: 20_000 });
const roles: Record<string, (...args: string[]) => Promise<void>> = { open, send, stream, work, raise };
await roles[role]?.(...rest);
await backend.close();

/** Opens the file, together with others. */
async function open(name: string): Promise<void> {
  await backend.commit({ operations: [{ type: "set", key: ["opened", name], value: true }] });
}

/** Sends messages, some at a time. */
async function send(name: string, count: string): Promise<void> {
  for (let sent = 0; sent < Number(count); sent += 10) {
    const ids = Array.from({ length: 10 }, (_, index) => `${name}-${sent + index}`);
    await Promise.all(ids.map((id) => backend.commit({ operations: [message(id)] })));
  }
}

/** Sends messages without end, each with a record of it, and prints each id once it is accepted. */
async function stream(name: string): Promise<void> {
  await Promise.all(Array.from({ length: 8 }, async (_, lane) => {
    for (let sent = 0;; sent++) {
      const id = `${name}-${lane}-${sent}`;
      await backend.commit({ operations: [message(id), { type: "set", key: ["sent", id], value: sent }] });
      console.log(id);
    }
  }));
}

/** Works messages off until none has been left for a while, and prints each id. */
async function work(total: string): Promise<void> {
  const handled = ["handled"];
  await until("all are handled", async () => {
    const deliveries = await backend.claim(QUEUE, { leaseMs: 60_000, limit: 7 });
    for (const { queue, id, token } of deliveries) {
      const result = await backend.commit({
        operations: [{ type: "ack", queue, id, token }, { type: "set", key: [...handled, id], value: true }],
      });
      if (result.committed) console.log(id);
    }
    return await backend.count(handled) === Number(total);
  });
}

/** Raises a counter by check and set. */
async function raise(times: string): Promise<void> {
  for (let raised = 0; raised < Number(times);) {
    const [entry] = await backend.get([["counter"]]);
    const checks = [{ key: ["counter"], version: entry?.version ?? null }];
    const value = Number(entry?.value ?? 0) + 1;
    const result = await backend.commit({ checks, operations: [{ type: "set", key: ["counter"], value }] });
    if (result.committed) raised++;
  }
}
