/** The import from the Python original's Redis, on a server that was filled as the original fills it. @module */

import { assert, assertEquals, assertMatch } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { MemoryBackend } from "../../backends/memory.ts";
import { RedisBackend } from "../../backends/redis.ts";
import { SqliteBackend } from "../../backends/sqlite.ts";
import { type ImportOptions, importTta } from "../../scripts/import_tta/import.ts";
import { sortKeys } from "../../scripts/import_tta/layout.ts";
import { agentOfName, readMessage } from "../../scripts/import_tta/message.ts";
import { AgentRegistry } from "../../src/agents/registry.ts";
import { OutcomeUnknownError, ValueTooLargeError } from "../../src/errors.ts";
import { MessageCoordinator } from "../../src/messages/coordinator.ts";
import { CircuitBreaker } from "../../src/resilience/circuit_breaker.ts";
import type { Batch, CommitResult, StorageBackend } from "../../src/storage/backend.ts";
import { type RedisServer, redisTest } from "../servers/redis.ts";

const WRITER = { type: "world_builder", instance: "ada" };
const WRITER_NAME = "world_builder:ada";
const SECOND_US = 1_000_000;

/** A queue entry as the original stores it. */
function queued(
  id: string,
  changes: { priority?: number; attempts?: number; error?: string; n?: unknown } = {},
): string {
  const { priority = 5, attempts = 0, error = null, n = 0 } = changes;
  return JSON.stringify({
    message: {
      message_id: id,
      sender: { type: "input_processor", instance: null },
      recipient: WRITER,
      message_type: "request",
      payload: { n },
      priority,
      routing: { topic: null, tags: ["draft"] },
      timestamp: "2025-01-02T03:04:05.678901+00:00",
    },
    priority,
    enqueued_at: "2025-01-02T03:04:05.700000+00:00",
    delivery_attempts: attempts,
    last_error: error,
  });
}

/** Puts a message in line, with its copy in the audit list, as the original does. */
async function schedule(server: RedisServer, text: string, dueAtUs: number, priority = 5): Promise<void> {
  await server.command("ZADD", `ao:sched:${WRITER_NAME}:prio:${priority}`, String(dueAtUs), text);
  await server.command("RPUSH", `ao:queue:${WRITER_NAME}`, text);
}

async function reserve(server: RedisServer, token: string, text: string, deadlineUs: number): Promise<void> {
  await server.command("HSET", `ao:reserved:${WRITER_NAME}`, token, text);
  await server.command("ZADD", `ao:reserved_deadlines:${WRITER_NAME}`, String(deadlineUs), token);
  await server.command("RPUSH", `ao:queue:${WRITER_NAME}`, text);
}

function importInto(backend: StorageBackend | null, server: RedisServer, changes: Partial<ImportOptions> = {}) {
  return importTta({ from: server.url, prefix: "ao", backend, namespace: ["ao"], burialLeaseMs: 300, ...changes });
}

async function receiveAll(coordinator: MessageCoordinator): Promise<string[]> {
  const received = await coordinator.receive(WRITER, { limit: 1000, visibilityTimeoutMs: 60_000 });
  await Promise.all(received.map((each) => each.ack()));
  return received.map(({ message }) => message.messageId);
}

async function seed(server: RedisServer): Promise<void> {
  const nowUs = Date.now() * 1000;
  await schedule(server, queued("normal-1", { n: 1 }), nowUs - 9 * SECOND_US);
  await schedule(server, queued("normal-2"), nowUs - 8 * SECOND_US);
  await schedule(server, queued("high-1", { priority: 9 }), nowUs - SECOND_US, 9);
  await schedule(server, queued("later-1", { attempts: 1, error: "once" }), nowUs + 3600 * SECOND_US);
  await reserve(server, "res_1", queued("reserved-1", { attempts: 2 }), nowUs - SECOND_US);
  await server.command("RPUSH", "ao:dlq:" + WRITER_NAME, queued("dead-1", { attempts: 4, error: "no such page" }));
  await server.command("RPUSH", "ao:dlq:" + WRITER_NAME, queued("dead-2", { attempts: 4 }), "not { json");
  await server.command("RPUSH", "ao:queue:" + WRITER_NAME, queued("orphan-1"));
}

for (
  const [name, open] of Object.entries({
    memory: () => new MemoryBackend(),
    sqlite: () => new SqliteBackend({ path: ":memory:" }),
    redis: (server: RedisServer) => new RedisBackend({ url: server.url }), // the source itself, in keys of its own
  })
) {
  redisTest(`importTta() moves each message once, in its order and state, to ${name}`, async (server) => {
    await seed(server);
    await using backend = open(server);
    const report = await importInto(backend, server);
    const [{ moved, ready, delayed, reserved, orphaned, dead, unreadable, duplicates } = fail()] = report.mailboxes;
    assertEquals({ moved, ready, delayed, reserved, orphaned, dead, unreadable, duplicates }, {
      moved: 9,
      ready: 3,
      delayed: 1,
      reserved: 1,
      orphaned: 1,
      dead: 2,
      unreadable: 1,
      duplicates: 0,
    });
    assertEquals(report.problems, []);

    const coordinator = new MessageCoordinator(backend);
    const stats = await coordinator.stats(WRITER);
    assertEquals([stats.ready, stats.delayed, stats.leased, stats.dead], [5, 1, 0, 3]);
    const [first] = await coordinator.receive(WRITER, { limit: 1 });
    assertEquals(first?.message.messageId, "high-1");
    await first?.ack();
    const second = await coordinator.receive(WRITER);
    assertEquals(second?.message.messageId, "reserved-1");
    assertEquals(await second?.nack({ delayMs: 0 }), true);
    const third = await coordinator.receive(WRITER);
    assertEquals(third?.message, {
      messageId: "normal-1",
      sender: { type: "input_processor" },
      recipient: WRITER,
      messageType: "request",
      payload: { n: 1 },
      priority: 5,
      routing: { tags: ["draft"] },
      timestamp: "2025-01-02T03:04:05.678901+00:00",
    });
    await third?.ack();
    assertEquals(await receiveAll(coordinator), ["normal-2", "orphan-1", "reserved-1"]);

    const letters = await Array.fromAsync(coordinator.deadLetters(WRITER));
    assertEquals(letters.map(({ message, lastError }) => [message.messageId.slice(0, 10), lastError?.slice(0, 12)]), [
      ["dead-1", "no such page"],
      ["dead-2", undefined],
      ["unreadable", "Cannot read "],
    ]);
    assertEquals(letters[2]?.message.payload, { text: "not { json" });
    const [later] = await Array.fromAsync(backend.messages(["ao", "mailbox", ...Object.values(WRITER)], "delayed"));
    assert(later && Math.abs(later.dueAtMs - Date.now() - 3_600_000) < 60_000, `due at ${later?.dueAtMs}`);
    assertEquals(later.maxAttempts, 3, "one of four attempts had failed");
  });
}

redisTest("importTta() moves nothing twice, not even what was handled and purged since", async (server) => {
  await seed(server);
  await using backend = new MemoryBackend();
  const coordinator = new MessageCoordinator(backend, { dedupeWindowMs: 0 });
  await importInto(backend, server);
  await receiveAll(coordinator);
  await coordinator.purge(WRITER);
  await schedule(server, queued("new-01"), Date.now() * 1000);
  const [{ moved, already } = fail()] = (await importInto(backend, server)).mailboxes;
  assertEquals({ moved, already }, { moved: 1, already: 9 });
  assertEquals(await receiveAll(coordinator), ["new-01"]);
});

type Commit = (batch: Batch) => Promise<CommitResult>;

/** A backend whose commits pass through a function. */
function intercepting(
  backend: StorageBackend,
  intercept: (commit: Commit, batch: Batch) => Promise<CommitResult>,
): StorageBackend {
  return new Proxy(backend, {
    get: (target, name) => {
      if (name === "commit") return (batch: Batch) => intercept((batch) => target.commit(batch), batch);
      const value = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** Loses the answer of one commit in three, by turns before and after it happens, and counts what it has lost. */
function breaking(backend: StorageBackend): { readonly backend: StorageBackend; readonly lost: () => number } {
  let commits = 0;
  let lost = 0;
  const broken = intercepting(backend, async (commit, batch) => {
    if (++commits % 3 !== 0) return await commit(batch);
    if (lost++ % 2 === 1) await commit(batch);
    throw new OutcomeUnknownError("Cannot commit: the answer was lost");
  });
  return { backend: broken, lost: () => lost };
}

redisTest("importTta() moves each message once though it is cut off again and again", async (server) => {
  const nowUs = Date.now() * 1000;
  const live = Array.from({ length: 200 }, (_, n) => `live-${String(n).padStart(3, "0")}`);
  const dead = Array.from({ length: 70 }, (_, n) => `dead-${String(n).padStart(3, "0")}`);
  for (const [n, id] of live.entries()) await schedule(server, queued(id), nowUs - (1000 - n) * SECOND_US);
  await server.command("RPUSH", `ao:dlq:${WRITER_NAME}`, ...dead.map((id) => queued(id, { error: id })));
  await using memory = new MemoryBackend();
  const target = breaking(memory);
  for (let tries = 0; tries < 40; tries++) {
    const report = await importInto(target.backend, server).catch(() => null);
    if (report?.problems.length === 0) break;
  }
  assert(target.lost() >= 4, `${target.lost()} commits were lost`);
  const coordinator = new MessageCoordinator(memory);
  const letters = await Array.fromAsync(coordinator.deadLetters(WRITER));
  assertEquals(letters.map(({ lastError }) => lastError).sort(), dead);
  assertEquals(await receiveAll(coordinator), live);
  const { ready, delayed, leased } = await coordinator.stats(WRITER);
  assertEquals([ready, delayed, leased], [0, 0, 0]);
});

redisTest("importTta() keeps messages apart that have one id and other contents", async (server) => {
  const nowUs = Date.now() * 1000;
  await schedule(server, queued("same-id", { n: 1 }), nowUs - 3 * SECOND_US);
  await schedule(server, queued("same-id", { n: 2 }), nowUs - 2 * SECOND_US);
  await schedule(server, queued("same-id", { n: 1, attempts: 1 }), nowUs - SECOND_US); // the first again
  await using backend = new MemoryBackend();
  for (const [expectedMoved, expectedAlready] of [[2, 0], [0, 2]]) {
    const [{ moved, already, renamed, duplicates } = fail()] = (await importInto(backend, server)).mailboxes;
    assertEquals([moved, already, duplicates], [expectedMoved, expectedAlready, 1]);
    if (expectedMoved === 2) assertEquals(renamed, 1);
  }
  const received = await new MessageCoordinator(backend).receive(WRITER, { limit: 10 });
  assertEquals(received.map(({ message }) => message.payload.n), [1, 2]);
  assertMatch(received[1]?.message.messageId ?? "", /^same-id~[0-9a-f]{24}$/);
});

redisTest("importTta() leaves dead letters where the mailbox is in use, and moves them later", async (server) => {
  await server.command("RPUSH", `ao:dlq:${WRITER_NAME}`, queued("dead-1"));
  await using backend = new MemoryBackend();
  const coordinator = new MessageCoordinator(backend);
  await coordinator.sendMessage({ type: "editor" }, WRITER, { messageId: "ours-01" });
  const report = await importInto(backend, server);
  assertMatch(report.problems.join(), /1 dead letters of world_builder\/ada were left: the mailbox here has messages/);
  assertEquals(await receiveAll(coordinator), ["ours-01"]);
  assertEquals((await importInto(backend, server)).problems, []);
  assertEquals((await coordinator.stats(WRITER)).dead, 1);
});

redisTest("importTta() moves what fits, and says what does not", async (server) => {
  await schedule(server, queued("large-1", { n: "x".repeat(20_000) }), 1);
  await schedule(server, queued("small-1"), 2);
  await using memory = new MemoryBackend();
  const backend = intercepting(memory, (commit, batch) => {
    const bytes = Math.max(...batch.operations.map((each) => JSON.stringify(each).length));
    return bytes > 10_000 ? Promise.reject(new ValueTooLargeError(bytes, 10_000)) : commit(batch);
  });
  const report = await importInto(backend, server);
  assertMatch(report.problems.join(), /the message large-1 of world_builder\/ada was left: Cannot store the value/);
  assertEquals(await receiveAll(new MessageCoordinator(backend)), ["small-1"]);
});

redisTest("importTta() registers agents with their states, but none that is known here", async (server) => {
  const record = (instance: string) =>
    JSON.stringify({
      name: `Writer ${instance}`,
      agent_id: { type: "world_builder", instance },
      status: { running: true },
      last_heartbeat: Date.now() / 1000,
      state: { chapter: 7 },
    });
  await server.command("SET", "ao:agents:world_builder:ada", record("ada"));
  await server.command("SET", "ao:agents:world_builder:bob", record("bob"));
  await server.command("SET", "ao:agents:world_builder:eve", "no json");
  await server.command("SADD", "ao:agents:index", "ao:agents:world_builder:ada", "ao:agents:world_builder:bob");
  await using backend = new MemoryBackend();
  await using registry = new AgentRegistry(backend);
  await registry.register({ id: { type: "world_builder", instance: "bob" } });
  const report = await importInto(backend, server);
  assertEquals(report.agents, { moved: 1, withState: 1, closed: 0, already: 0, known: 1 });
  assertMatch(report.problems.join(), /the agent world_builder:eve was left/);
  const info = await registry.get(WRITER);
  assertEquals([info?.liveness, info?.metadata], ["alive", { name: "Writer ada", status: { running: true } }]);
  assertEquals((await importInto(backend, server)).agents.already, 1);
  const states: unknown[] = [];
  await registry.register({ id: WRITER, importState: (state) => void states.push(state) });
  assertEquals(states, [{ chapter: 7 }]);
});

redisTest("importTta() keeps the state that an agent has saved here", async (server) => {
  await server.command(
    "SET",
    "ao:agents:world_builder:ada",
    JSON.stringify({ agent_id: WRITER, status: {}, state: { chapter: 7 } }),
  );
  await using backend = new MemoryBackend();
  await using registry = new AgentRegistry(backend);
  await registry.register({ id: WRITER, exportState: () => ({ chapter: 8 }) });
  await registry.deregister(WRITER);
  await importInto(backend, server);
  const states: unknown[] = [];
  await registry.register({ id: WRITER, importState: (state) => void states.push(state) });
  assertEquals(states, [{ chapter: 8 }]);
});

redisTest("importTta() opens breakers for what is left of their time, once", async (server) => {
  const state = (name: string, agoSeconds: number) =>
    JSON.stringify({ state: name, failure_count: 5, state_changed_at: Date.now() / 1000 - agoSeconds });
  await server.command("SET", "ao:cb:state:model:small", state("open", 20));
  await server.command("SET", "ao:cb:state:search", state("half_open", 1));
  await server.command("SET", "ao:cb:state:disk", state("closed", 1));
  await server.command("SET", "ao:cb:metrics:disk", "{}");
  for (const backend of [new MemoryBackend(), new RedisBackend({ url: server.url })]) {
    await using _backend = backend;
    const report = await importInto(backend, server);
    assertEquals(report.breakers, { moved: 2, withState: 0, closed: 1, already: 0, known: 0 });
    assertEquals(report.left, 1);
    await using open = new CircuitBreaker({ backend, name: "model:small" });
    const rejected = await open.tryCall(() => 1);
    assert(rejected.status === "rejected" && rejected.retryAfterMs > 20_000 && rejected.retryAfterMs <= 40_000);
    await using halfOpen = new CircuitBreaker({ backend, name: "search", successThreshold: 1 });
    const deadline = performance.now() + 10_000;
    let outcome = await halfOpen.tryCall(() => "a probe"); // the first look begins its open time of a millisecond
    while (outcome.status === "rejected" && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      outcome = await halfOpen.tryCall(() => "a probe");
    }
    assertEquals(outcome, { status: "success", value: "a probe" });
    assertEquals((await importInto(backend, server)).breakers, { ...report.breakers, moved: 0, already: 2 });
    assertEquals(halfOpen.getState(), "closed");
  }
});

redisTest("import:tta tells in a dry run what there is, and makes no file", async (server) => {
  await seed(server);
  const directory = await Deno.makeTempDir();
  try {
    const to = `sqlite:${directory}/target.db`;
    const dry = await runTask("--from", server.url, "--to", to, "--dry-run", "--json");
    assertEquals(dry.code, 0, dry.error);
    const { dryRun, mailboxes: [mailbox] } = JSON.parse(dry.output);
    assertEquals([dryRun, mailbox.agent, mailbox.ready, mailbox.moved], [true, "world_builder/ada", 3, 0]);
    assertEquals([...Deno.readDirSync(directory)], []);
    const real = await runTask("--from", server.url, "--to", to);
    assertEquals(real.code, 0, real.error);
    assertMatch(real.output, /world_builder\/ada +3 +1 +1 +1 +2 +1 +0 +0 +0\n/);
    assertMatch(real.output, /messages {2}9 moved, 0 known/);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

redisTest("import:tta loses and doubles nothing when it is killed and run again", async (server) => {
  const ids = Array.from({ length: 2000 }, (_, n) => `many-${n}`);
  for (let from = 0; from < ids.length; from += 500) {
    const pairs = ids.slice(from, from + 500).flatMap((id, n) => [String(1_000_000 + from + n), queued(id)]);
    await server.command("ZADD", `ao:sched:${WRITER_NAME}:prio:5`, ...pairs);
  }
  const directory = await Deno.makeTempDir();
  try {
    const path = `${directory}/target.db`;
    const process = startTask("--from", server.url, "--to", `sqlite:${path}`);
    const status = process.status;
    await using backend = new SqliteBackend({ path });
    const coordinator = new MessageCoordinator(backend);
    const deadline = performance.now() + 60_000;
    while ((await coordinator.stats(WRITER)).ready === 0 && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    process.kill("SIGKILL");
    await Promise.all([status, process.stdout.cancel(), process.stderr.cancel()]);
    const { code, error } = await runTask("--from", server.url, "--to", `sqlite:${path}`);
    assertEquals(code, 0, error);
    const received = [...await receiveAll(coordinator), ...await receiveAll(coordinator)];
    assertEquals(received, ids);
    assertEquals((await coordinator.stats(WRITER)).ready, 0);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("import:tta refuses wrong arguments, and names what is wrong", async () => {
  const wrong: [RegExp, string[]][] = [
    [/--from must be a URL/, ["--to", "memory:"]],
    [/--to must be the URL/, ["--from", "redis://127.0.0.1"]],
    [/--open-ms must be an integer/, ["--from", "redis://127.0.0.1", "--to", "memory:", "--open-ms", "soon"]],
    [/--wipe/, ["--from", "redis://127.0.0.1", "--to", "memory:", "--wipe"]],
  ];
  for (const [reason, args] of wrong) {
    const { code, error } = await runTask(...args);
    assertEquals(code, 2);
    assertMatch(error, reason);
  }
});

Deno.test("import:tta says that the source is away, without its password", async () => {
  const { code, error } = await runTask("--from", "redis://:secret@127.0.0.1:1", "--to", "memory:");
  assertEquals(code, 1);
  assertMatch(error, /Cannot read the source/);
  assert(!error.includes("secret"), error);
});

Deno.test("readMessage() keeps what it cannot read, with the reason", () => {
  const wrong: [string, RegExp][] = [
    ["", /JSON/],
    ["[]", /no object/],
    [queued("number-1", { n: NaN }).replace("null", "NaN"), /JSON/],
    [queued("number-2", { n: 0 }).replace('"n":0', '"n":12345678901234567891'), /12345678901234567891 is too large/],
    [queued("wrong-type").replace("request", "demand"), /message_type/],
  ];
  for (const [text, reason] of wrong) {
    const { unreadable, input, lastError } = readMessage(text, 5);
    assertMatch(unreadable ?? "", reason);
    assertMatch(lastError ?? "", reason);
    assertEquals(input.payload, { text });
  }
  assertEquals(readMessage(queued("exact-1").replace('"n":0', '"n":1152921504606846976'), 5).unreadable, undefined);
});

Deno.test("readMessage() makes an id that is too short or too long fit, always the same", () => {
  const { id } = readMessage(queued("short"), 5);
  assertMatch(id, /^tta-[0-9a-f]{24}$/);
  assertEquals(readMessage(queued("short", { n: 9 }), 5).id, id);
  assertMatch(readMessage(queued("x".repeat(300)), 5).id, /^tta-[0-9a-f]{24}$/);
});

Deno.test("readMessage() takes a time without an offset for UTC", () => {
  const text = queued("naive-1").replace("05.678901+00:00", "05.678901");
  assertEquals(readMessage(text, 5).input.timestamp, "2025-01-02T03:04:05.678901Z");
});

Deno.test("sortKeys() knows what each key is for, in any prefix and with colons in names", () => {
  const keys = ["sched:a:b:c:prio:9", "reserved:a:b:c", "dlq:d:e", "agents:index", "agents:f:g", "cb:state:h:i", "x"];
  const { mailboxes, agents, breakers, left, foreign } = sortKeys("p:q", keys.map((key) => `p:q:${key}`));
  assertEquals(mailboxes.map(({ name, scheduled }) => [name, [...scheduled]]), [
    ["d:e", []],
    ["a:b:c", [[9, "p:q:sched:a:b:c:prio:9"]]],
  ]);
  assertEquals([agents, left, foreign], [["p:q:agents:f:g"], ["p:q:agents:index"], 1]);
  assertEquals(breakers, [{ name: "h:i", key: "p:q:cb:state:h:i" }]);
});

Deno.test("agentOfName() parts at the first colon unless a message names its recipient", () => {
  assertEquals(agentOfName("a:b:c", []), { type: "a", instance: "b:c" });
  assertEquals(agentOfName("a:b:c", [null, { type: "a:b", instance: "c" }]), { type: "a:b", instance: "c" });
  assertEquals(agentOfName("a:b:c", [{ type: "other" }]), { type: "a", instance: "b:c" });
});

function startTask(...args: string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [...config.tasks["import:tta"].command.split(" ").slice(1), ...args],
    cwd: new URL("../../", import.meta.url),
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function runTask(...args: string[]): Promise<{ code: number; output: string; error: string }> {
  const { code, stdout, stderr } = await startTask(...args).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, output: text(stdout), error: text(stderr) };
}

function fail(): never {
  throw new Error("Cannot compare: the report has no mailbox");
}
