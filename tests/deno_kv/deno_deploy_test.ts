/** The service for Deno Deploy does what it says, through a restart too. @module */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { withPath } from "./support.ts";

const ROOT = new URL("../../", import.meta.url);
const PERMISSIONS = ["--allow-net", "--allow-env", "--allow-read", "--allow-write"];

/** Runs a test with the service on a free port, and stops it. */
async function withService(path: string, test: (url: string) => Promise<void>): Promise<void> {
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--unstable-kv", ...PERMISSIONS, "examples/deno_deploy/main.ts"],
    cwd: ROOT,
    env: { PORT: "0", KV_PATH: path, NO_COLOR: "1" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const tooLate = setTimeout(() => process.kill("SIGKILL"), 60_000);
  const output = process.stderr.pipeThrough(new TextDecoderStream()).getReader();
  try {
    let printed = "";
    let port: string | undefined;
    while (!port) {
      const { value, done } = await output.read();
      assert(!done, `the service ended: ${printed}`);
      printed += value;
      port = /127\.0\.0\.1:(\d+)\//.exec(printed)?.[1];
    }
    await test(`http://127.0.0.1:${port}`);
  } finally {
    clearTimeout(tooLate);
    try {
      process.kill("SIGKILL"); // as a platform may do at any time
    } catch {
      // It has ended by itself, which the test has seen.
    }
    await output.cancel();
    await process.status;
  }
}

async function call(method: string, url: string, init: RequestInit = {}): Promise<{ status: number; body: unknown }> {
  const response = await fetch(url, { method, ...init });
  return { status: response.status, body: await response.json() };
}

Deno.test("deno_deploy sends, works the mailbox, keeps results, and loses nothing when it is killed", async () => {
  await withPath(async (path) => {
    await withService(path, async (url) => {
      const agent = `${url}/agents/counter`;
      const headers = { "Idempotency-Key": "first-message" };
      const body = JSON.stringify({ text: "to be or not to be" });
      const first = await call("POST", `${agent}/messages`, { body, headers });
      assertEquals(first, { status: 202, body: { messageId: "first-message", delivered: true } });
      const again = await call("POST", `${agent}/messages`, { body, headers });
      assertEquals(again, { status: 202, body: { messageId: "first-message", delivered: true, duplicate: true } });
      assertEquals((await call("POST", `${agent}/messages`, { body: `{"number":7}` })).status, 202);
      const short = await call("POST", `${agent}/messages`, { body, headers: { "Idempotency-Key": "x" } });
      assertEquals(short.status, 400);
      assertMatch(JSON.stringify(short.body), /messageId/);
      assertEquals((await call("GET", `${url}/elsewhere`)).status, 404);
    });
    await withService(path, async (url) => {
      const agent = `${url}/agents/counter`;
      assertEquals((await call("POST", `${agent}/work`)).body, { handled: 1, failed: 1 });
      assertEquals((await call("GET", `${agent}/results`)).body, [{ messageId: "first-message", words: 6 }]);
      assertMatch(JSON.stringify((await call("GET", agent)).body), /"ready":0.*"dead":1/);
    });
  });
});
