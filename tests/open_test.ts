/** openBackend makes a backend of a URL, or says clearly why it cannot. @module */

import { assert, assertEquals, assertFalse, assertMatch, assertRejects } from "@std/assert";
import { fileURLToPath } from "node:url";
import { openBackend } from "../backends/open.ts";
import { BackendUnavailableError, CoordinationError, driverMissing } from "../src/errors.ts";
import { ManualClock } from "../src/testing/manual_clock.ts";
import { postgresPrograms, PostgresServer } from "./servers/postgres.ts";
import { redisTest } from "./servers/redis.ts";

const OPEN = new URL("../backends/open.ts", import.meta.url).href;
const CONFIG = fileURLToPath(new URL("../deno.json", import.meta.url));

Deno.test("openBackend() opens memory and a file of SQLite or Deno KV by its URL", async () => {
  const directory = await Deno.makeTempDir();
  try {
    for (
      const url of ["memory:", "sqlite::memory:", `sqlite:${directory}/a.sqlite`, `kv:${directory}/a.kv`, "KV::memory:"]
    ) {
      await using backend = await openBackend(url);
      await backend.commit({ operations: [{ type: "set", key: ["k"], value: url }] });
      assertEquals((await backend.get([["k"]]))[0]?.value, url);
    }
    await using again = await openBackend(`sqlite:${directory}/a.sqlite`);
    assertEquals((await again.get([["k"]]))[0]?.value, `sqlite:${directory}/a.sqlite`);
    await using apart = await openBackend(`sqlite:${directory}/a.sqlite`, { namespace: "other" });
    assertEquals(await apart.get([["k"]]), [null]);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test({
  name: "openBackend() opens PostgreSQL by its URL, under either scheme, in the namespace that is given",
  ignore: postgresPrograms === null, // no server here
  fn: async () => {
    await using server = await PostgresServer.start();
    await using backend = await openBackend(server.url);
    await backend.commit({ operations: [{ type: "set", key: ["k"], value: 1 }] });
    await using again = await openBackend(server.url.replace("postgres:", "postgresql:"));
    assertEquals((await again.get([["k"]]))[0]?.value, 1);
    await using apart = await openBackend(server.url, { namespace: "other" });
    assertEquals(await apart.get([["k"]]), [null]);
  },
});

redisTest("openBackend() opens Redis by its URL, in the namespace that is given", async (server) => {
  await using backend = await openBackend(server.url);
  await backend.commit({ operations: [{ type: "set", key: ["k"], value: 1 }] });
  await using again = await openBackend(server.url);
  assertEquals((await again.get([["k"]]))[0]?.value, 1);
  await using apart = await openBackend(server.url, { namespace: "other" });
  assertEquals(await apart.get([["k"]]), [null]);
});

Deno.test("openBackend() refuses what is no URL, and names the schemes that it knows", async () => {
  await assertRejects(() => openBackend("crew.sqlite"), TypeError, "scheme");
  await assertRejects(() => openBackend("sqlite:"), TypeError, "file");
  const none = (value: unknown) => value as string;
  await assertRejects(
    () => openBackend(none(undefined)),
    TypeError,
    "Cannot use url: it must be a string, got undefined",
  );
  await assertRejects(() => openBackend("memory:", { namespace: none(5) }), TypeError, "Cannot use namespace");
  // Other libraries' "//" would be the root of the file system here.
  for (const url of ["sqlite://crew.sqlite", "sqlite:///tmp/crew.sqlite", "kv://crew.kv"]) {
    await assertRejects(() => openBackend(url), TypeError, "is followed by the file itself, without");
  }
  const error = await assertRejects(() => openBackend("mysql://root:secret@localhost"), CoordinationError, "redis");
  assertEquals(error.code, "UNKNOWN_SCHEME");
  assertFalse(error.message.includes("secret"));
});

for (const url of ["redis://somebody:s3cret@127.0.0.1:1/0", "postgres://somebody:s3cret@127.0.0.1:1/app"]) {
  const scheme = url.split(":")[0];
  Deno.test(`openBackend() says that nobody answers at ${scheme}, without the credentials, and leaves nothing open`, async () => {
    const error = await assertRejects(() => openBackend(url), BackendUnavailableError);
    assert(error.message.length > 0);
    assertFalse(/s3cret/.test(`${error.message} ${error.stack} ${error.cause}`));
  });
}

Deno.test("openBackend() says what a driver that is there is not allowed to do", async () => {
  const script = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    const call = 'openBackend("redis://127.0.0.1:1").catch(({ code, message }) => console.log(code, message))';
    await Deno.writeTextFile(script, `import { openBackend } from "${OPEN}"; await ${call};`);
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--config", CONFIG, "--no-check", "--no-prompt", "--allow-net", script],
      env: { NO_COLOR: "1" },
    }).output();
    const said = new TextDecoder().decode(stdout);
    assertMatch(said, /^DRIVER_MISSING Cannot use Redis: .* cannot be loaded: .*--allow-env/);
  } finally {
    await Deno.remove(script);
  }
});

Deno.test("driverMissing() names the package, and what is wrong with it where it is installed", () => {
  const missing = Object.assign(new Error("Cannot find package"), { code: "ERR_MODULE_NOT_FOUND" });
  const { code, message, cause } = driverMissing("Cannot use Redis", "ioredis", missing);
  assertEquals([code, message, cause], ["DRIVER_MISSING", "Cannot use Redis: it needs the package ioredis", missing]);
  for (const odd of [new Error("broken"), "broken", Object.assign(new Error("broken"), { code: "ERR_OTHER" })]) {
    const { message } = driverMissing("Cannot use Redis", "ioredis", odd);
    assertEquals(message, "Cannot use Redis: it needs the package ioredis, which cannot be loaded: broken");
  }
});

Deno.test("openBackend() hands on the clock and the namespace, to those who take them", async () => {
  const clock = new ManualClock();
  await using memory = await openBackend("memory:", { clock });
  await memory.commit({ operations: [{ type: "set", key: ["k"], value: 1, expiresInMs: 1000 }] });
  await clock.advance(1000);
  assertEquals(await memory.get([["k"]]), [null]);
  for (const url of ["redis://127.0.0.1:1", "postgres://127.0.0.1:1/d"]) {
    await assertRejects(() => openBackend(url, { namespace: "" }), RangeError, "namespace");
  }
});
