/** openBackend makes a backend of a URL, or says clearly why it cannot. @module */

import { assert, assertEquals, assertFalse, assertRejects } from "@std/assert";
import { openBackend } from "../backends/open.ts";
import { BackendUnavailableError, CoordinationError } from "../src/errors.ts";

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

Deno.test("openBackend() refuses what is no URL, and names the schemes that it knows", async () => {
  await assertRejects(() => openBackend("crew.sqlite"), TypeError, "scheme");
  await assertRejects(() => openBackend("sqlite:"), TypeError, "file");
  const error = await assertRejects(() => openBackend("mysql://root:secret@localhost"), CoordinationError, "redis");
  assertEquals(error.code, "UNKNOWN_SCHEME");
  assertFalse(error.message.includes("secret"));
});

Deno.test("openBackend() says that nobody answers, without the credentials, and leaves nothing open", async () => {
  const url = "redis://somebody:s3cret@127.0.0.1:1/0";
  const error = await assertRejects(() => openBackend(url), BackendUnavailableError);
  assert(error.message.length > 0);
  assertFalse(/s3cret/.test(`${error.message} ${error.stack} ${error.cause}`));
});
