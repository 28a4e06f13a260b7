/** Several processes on one file, and the end of one at any point. @module */

import { assert, assertEquals } from "@std/assert";
import { SqliteBackend } from "../../backends/sqlite.ts";
import { message, QUEUE, until, withBackend, withFile } from "./files.ts";

Deno.test("processes that open a fresh file at the same time make it once", async () => {
  await withFile(async (path) => {
    const names = ["a", "b", "c", "d"];
    await Promise.all(names.map((name) => run("open", path, name)));
    await using backend = new SqliteBackend({ path });
    assertEquals(await backend.count(["opened"]), names.length);
  });
});

Deno.test("two processes send and two work off at once: each message is handled once", async () => {
  await withFile(async (path) => {
    const outputs = await Promise.all([
      run("send", path, "a", "300"),
      run("send", path, "b", "300"),
      run("work", path, "600"),
      run("work", path, "600"),
    ]);
    const handled = outputs.flatMap((output) => output.split("\n").filter((line) => line !== ""));
    assertEquals(handled.length, 600);
    assertEquals(new Set(handled).size, 600);
    await using backend = new SqliteBackend({ path });
    assertEquals(await backend.stats(QUEUE), { ready: 0, delayed: 0, leased: 0, dead: 0, nextDueInMs: null });
  });
});

Deno.test("two processes raise a counter by check and set, and no step is lost", async () => {
  await withFile(async (path) => {
    await Promise.all([run("raise", path, "200"), run("raise", path, "200")]);
    await using backend = new SqliteBackend({ path });
    assertEquals((await backend.get([["counter"]]))[0]?.value, 400);
  });
});

Deno.test("what a process was told is accepted survives its kill -9, whole, and the next one goes on at once", async () => {
  await withFile(async (path) => {
    for (let round = 0; round < 3; round++) {
      const child = spawn("stream", path, `round${round}`);
      const accepted = await readLines(child, 200 + 50 * round);
      child.kill("SIGKILL");
      await child.status;
      await using backend = new SqliteBackend({ path });
      const ready = new Set<string>();
      for await (const { id } of backend.messages(QUEUE, "ready")) ready.add(id);
      const sent = new Set<string>();
      for await (const { key } of backend.list(["sent"])) sent.add(key[1] ?? "");
      for (const id of accepted) assert(ready.has(id), `${id} was accepted and is lost`);
      assertEquals([...ready].sort(), [...sent].sort(), "a batch happens as a whole or not at all");
      assertEquals((await backend.stats(QUEUE)).ready, ready.size);
      assertEquals(await backend.commit({ operations: [message(accepted[0] ?? "")] }), {
        committed: true,
        results: [{ type: "enqueue", duplicate: true }],
      });
    }
  });
});

Deno.test("what a killed process held under a lease is delivered again when that ends", async () => {
  await withBackend(async (backend, path) => {
    await backend.commit({ operations: [message("a")] });
    const killed = new SqliteBackend({ path });
    // A handle that is never heard of again is to the file what a killed process is.
    const [lost] = await killed.claim(QUEUE, { leaseMs: 50 });
    assertEquals(lost?.id, "a");
    let attempt = 0;
    await until("it is delivered again", async () => {
      const [again] = await backend.claim(QUEUE, { leaseMs: 60_000 });
      attempt = again?.attempt ?? 0;
      return again?.id === "a";
    });
    assertEquals(attempt, 2);
    await killed.close();
  });
});

Deno.test("listen() is woken by another process, for its own topic alone, and not when it has ended", async () => {
  await withBackend(async (backend, path) => {
    const wakes = { queue: 0, other: 0, ended: 0 };
    const unlisten = [
      await backend.listen(QUEUE, () => wakes.queue++),
      await backend.listen(["other"], () => wakes.other++),
    ];
    await (await backend.listen(QUEUE, () => wakes.ended++))();
    await run("send", path, "a", "10");
    await until("the queue's listener is woken", () => wakes.queue > 0);
    assertEquals([wakes.other, wakes.ended], [0, 0]);
    const before = wakes.queue;
    await run("open", path, "record"); // writes, and sends nothing
    let woken = false;
    const mark = await backend.listen(["mark"], () => woken = true);
    await using other = new SqliteBackend({ path });
    await other.commit({ operations: [], notify: [["mark"]] });
    await until("a later commit is noticed", () => woken);
    assertEquals(wakes.queue, before, "what does not concern a topic wakes nobody");
    for (const each of [...unlisten, mark]) await each();
  });
});

/** Runs another process to its end and returns what it printed. */
async function run(...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await command(args, "piped").output();
  assert(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

function spawn(...args: string[]): Deno.ChildProcess {
  return command(args, "inherit").spawn();
}

function command(args: readonly string[], stderr: "piped" | "inherit"): Deno.Command {
  const child = new URL("./child.ts", import.meta.url).href;
  const options = ["--allow-read", "--allow-write", "--allow-env", "--no-check"];
  return new Deno.Command(Deno.execPath(), { args: ["run", ...options, child, ...args], stdout: "piped", stderr });
}

/** The first lines that a process prints, at least so many; those that come at the same time too. */
async function readLines(child: Deno.ChildProcess, count: number): Promise<string[]> {
  let text = "";
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.split("\n").length > count) break;
  }
  // The last line may be a part of one.
  return text.split("\n").slice(0, -1);
}
