/** A registry whose store fails, is always a step ahead of it, or holds more than a page. @module */

import { assert, assertEquals, assertInstanceOf, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { MemoryBackend } from "../../backends/memory.ts";
import type { AgentEvent } from "../../src/agents/model.ts";
import type { RegistryEventMap } from "../../src/agents/registry_events.ts";
import { AgentRegistry } from "../../src/agents/registry.ts";
import type { AgentRegistryOptions } from "../../src/agents/registry_options.ts";
import { StaleIncarnationError } from "../../src/agents/stale_incarnation.ts";
import { BackendClosedError, BackendUnavailableError, OutcomeUnknownError } from "../../src/errors.ts";
import type { CommitResult, StorageBackend } from "../../src/storage/backend.ts";
import { ManualClock } from "../../src/testing/manual_clock.ts";
import { encodeKey } from "../../src/storage/key.ts";
import { standIn, turn } from "../storage/stand_in.ts";
import { until } from "../until.ts";

const ADA = { type: "writer", instance: "ada" };
const BOB = { type: "writer", instance: "bob" };
const away = () => Promise.reject(new BackendUnavailableError("away"));
const refused = (): Promise<CommitResult> => Promise.resolve({ committed: false, reason: "conflict", index: 0 });

/** A registry on a backend whose methods the test may replace. */
function open(options: AgentRegistryOptions = {}) {
  const clock = new ManualClock();
  const memory = new MemoryBackend({ clock });
  const methods: Partial<StorageBackend> = {};
  const backend = standIn(memory, methods);
  return { clock, memory, methods, backend, registry: new AgentRegistry(backend, { clock, ...options }) };
}

Deno.test("AgentRegistry gives up where other processes are always a step ahead", async () => {
  const { registry, methods } = open();
  await registry.register({ id: ADA });
  methods.commit = refused; // the check of the log's head: somebody else has written an event
  await assertRejects(
    () => registry.register({ id: BOB }),
    BackendUnavailableError,
    "1000 tries met another process's",
  );
  delete methods.commit;
  await registry.close();
});

for (
  const [action, call] of [
    ["register", (registry: AgentRegistry) => registry.register({ id: BOB })],
    ["deregister", (registry: AgentRegistry) => registry.deregister(ADA)],
    ["set the status of", (registry: AgentRegistry) => registry.setStatus(ADA, "busy")],
  ] as const
) {
  Deno.test(`AgentRegistry gives up to ${action} an agent whose record always changes in between`, async () => {
    const { registry, methods } = open();
    await registry.register({ id: ADA });
    methods.commit = () => Promise.resolve({ committed: false, reason: "conflict", index: 1 });
    await assertRejects(() => Promise.resolve(call(registry)), BackendUnavailableError, `Cannot ${action} the agent`);
    delete methods.commit;
    assertEquals((await registry.get(ADA))?.status, undefined);
    await registry.close();
  });
}

Deno.test("AgentRegistry passes on what a store throws, as an error", async () => {
  const { registry, methods } = open();
  methods.commit = () => Promise.reject("a string");
  await assertRejects(() => registry.register({ id: ADA }), Error, "a string");
  methods.commit = away;
  await assertRejects(() => registry.register({ id: ADA }), BackendUnavailableError);
  delete methods.commit;
  await registry.close();
});

Deno.test("register() whose answer is lost is told apart by what is stored", async () => {
  const { registry, memory, methods } = open();
  methods.commit = async (batch) => {
    delete methods.commit;
    await memory.commit(batch);
    throw new OutcomeUnknownError("no answer");
  };
  const { incarnation } = await registry.register({ id: ADA });
  assertEquals((await registry.get(ADA))?.incarnation, incarnation);
  methods.commit = () => {
    delete methods.commit;
    return Promise.reject(new OutcomeUnknownError("no answer"));
  };
  await assertRejects(() => registry.register({ id: BOB }), OutcomeUnknownError);
  assertEquals(await registry.get(BOB), null);
  await registry.close();
});

Deno.test("deregister() whose answer is lost is told apart by what is stored", async () => {
  const { registry, memory, methods } = open();
  const unknown = new OutcomeUnknownError("no answer");
  const { incarnation } = await registry.register({ id: ADA });
  methods.commit = () => {
    delete methods.commit;
    return Promise.reject(unknown);
  };
  assertStrictEquals(await assertRejects(() => registry.deregister(ADA)), unknown);
  assertEquals((await registry.get(ADA))?.incarnation, incarnation);
  methods.commit = async (batch) => {
    delete methods.commit;
    await memory.commit(batch);
    throw unknown;
  };
  assertEquals(await registry.deregister(ADA), true);
  assertEquals([await registry.get(ADA), await registry.deregister(ADA)], [null, false]);
  await registry.close();
});

for (const [how, get] of [["rejects", away], ["is silent", () => new Promise<never>(() => {})]] as const) {
  Deno.test(`deregister() whose answer is lost leaves that unknown while the store ${how}`, async () => {
    const { registry, memory, methods, clock } = open();
    const unknown = new OutcomeUnknownError("no answer");
    await registry.register({ id: ADA });
    methods.commit = async (batch) => {
      delete methods.commit;
      methods.get = get;
      await memory.commit(batch);
      throw unknown;
    };
    let outcome: unknown = "none yet";
    registry.deregister(ADA).catch((error) => error).then((result) => outcome = result);
    await clock.advance(1000);
    assertStrictEquals(outcome, unknown);
    delete methods.get;
    await registry.close();
  });
}

Deno.test("deregister() during an outage changes nothing, and may be tried again", async () => {
  const { registry, methods } = open();
  await registry.register({ id: ADA });
  methods.commit = away;
  await assertRejects(() => registry.deregister(ADA), BackendUnavailableError);
  delete methods.commit;
  assertEquals([await registry.deregister(ADA), await registry.deregister(ADA)], [true, false]);
  await registry.close();
});

Deno.test("AgentRegistry.close() leaves agents to fall silent during an outage, and tells of what is none", async () => {
  const { registry, methods } = open();
  await registry.register({ id: ADA });
  methods.commit = away;
  await registry.close();
  const other = open();
  await other.registry.register({ id: ADA });
  other.methods.commit = () => Promise.reject(new Error("a fault"));
  await assertRejects(() => other.registry.close(), Error, "a fault");
});

Deno.test("setStatus() tells who has lost its name, once", async () => {
  const { registry, backend, clock } = open();
  const other = new AgentRegistry(backend, { clock });
  await registry.register({ id: ADA });
  await other.register({ id: ADA });
  const lost: unknown[] = [];
  registry.on("lost", ({ error }) => lost.push(error));
  await assertRejects(() => registry.setStatus(ADA, "busy"), StaleIncarnationError);
  await assertRejects(() => registry.setStatus(ADA, "busy"), StaleIncarnationError);
  assertEquals(lost.length, 1);
  assertInstanceOf(lost[0], StaleIncarnationError);
  const none = "found" as keyof RegistryEventMap;
  assertThrows(() => registry.on(none, () => {}), TypeError, "Cannot use type: it must be one of lost");
  await registry.close();
  await other.close();
});

Deno.test("startHeartbeats() twice is once, and ends with the backend", async () => {
  const { registry, methods, clock } = open();
  await registry.startHeartbeats();
  await registry.register({ id: ADA });
  await registry.startHeartbeats();
  const failures: unknown[] = [];
  registry.on("heartbeat_failed", ({ error }) => failures.push(error));
  const closed = () => Promise.reject(new BackendClosedError("store"));
  methods.commit = closed;
  methods.get = closed;
  methods.list = () => failing(new BackendClosedError("store"));
  await clock.advance(60_000);
  assertEquals([failures.length, clock.timers], [1, 0]);
  await registry.close();
});

Deno.test("heartbeat() looks again after an outage in the middle of a look", async () => {
  const { registry, methods, memory } = open();
  await registry.register({ id: ADA });
  await registry.heartbeat(ADA);
  let reads = 0;
  methods.commit = refused;
  methods.get = (keys) => ++reads === 2 ? away() : memory.get(keys);
  await assertRejects(() => registry.heartbeat(ADA), BackendUnavailableError, "away");
  delete methods.commit;
  delete methods.get;
  await registry.heartbeat(ADA);
  assertEquals((await registry.get(ADA))?.liveness, "alive");
  await registry.close();
});

Deno.test("announceSilence() gives an agent a session of its own once heartbeats are not sent by themselves", async () => {
  const { registry, clock } = open({ heartbeatTtlMs: 30_000 });
  await registry.startHeartbeats();
  for (const id of [ADA, BOB]) await registry.register({ id });
  await registry.heartbeat(ADA);
  await registry.stopHeartbeats();
  await registry.announceSilence(ADA, 60_000);
  await registry.heartbeat(BOB);
  await clock.advance(89_999);
  assertEquals((await registry.get(ADA))?.liveness, "alive");
  assert((await registry.get(BOB))?.liveness !== "alive");
  await registry.close();
});

Deno.test("prepareSaveState() tells why a state cannot be saved, and saves the last one where there is no newer", async () => {
  const { registry, memory } = open();
  let state: () => string = () => "first";
  await registry.register({ id: ADA, exportState: () => state() });
  await memory.commit(await registry.prepareSaveState(ADA));
  await registry.heartbeat(ADA);
  const again = await registry.prepareSaveState(ADA);
  assertEquals((await memory.commit(again)).committed, true);
  state = () => {
    throw new Error("no state");
  };
  await assertRejects(() => registry.prepareSaveState(ADA), Error, "no state");
  await registry.close();
});

Deno.test("listRegistered() gives all agents of more than a page", async () => {
  const { registry, memory } = open();
  await registry.register({ id: ADA });
  const [first] = await Array.fromAsync(registry.listRegistered());
  const records = (await Array.fromAsync(memory.list(["ao"]))).filter(({ key }) => key.at(-1) === "ada");
  const member = records.find(({ value }) => JSON.stringify(value).includes("registeredAt"));
  assert(first && member);
  for (let n = 0; n < 1200; n += 100) {
    const operations = Array.from({ length: 100 }, (_, index) => ({
      type: "set" as const,
      key: [...member.key.slice(0, -1), `copy-${String(n + index).padStart(4, "0")}`],
      value: member.value,
    }));
    await memory.commit({ operations });
  }
  const names = (await Array.fromAsync(registry.listRegistered())).map(({ agentId }) => agentId.instance);
  assertEquals([names.length, names[0], names.at(-1)], [1201, "ada", "copy-1199"]);
  assertEquals((await registry.discover("writer")).length, 1201);
  await registry.close();
});

Deno.test("watch() that begins during an outage goes on when the store is back, and ends on what is no outage", async () => {
  const { registry, methods, clock } = open();
  methods.get = away;
  const events = registry.watch();
  const next = events.next();
  await clock.advance(1000);
  delete methods.get;
  await clock.advance(1000);
  await registry.register({ id: ADA });
  await clock.advance(2000);
  assertEquals((await next).value?.type, "join");
  methods.list = () => failing(new Error("a fault"));
  const end = assertRejects(() => events.next(), Error, "a fault");
  await registry.setStatus(ADA, "busy");
  await clock.advance(2000);
  await end;
  delete methods.list;
  await registry.close();
});

Deno.test("watch() that cannot listen tries again until it can, and is then woken", async () => {
  const { registry, memory, methods, clock } = open();
  let refusals = 0;
  methods.listen = () => {
    refusals++;
    return away();
  };
  let told: unknown;
  registry.watch().next().then(({ value }) => told = value?.type);
  await clock.advance(5000);
  assert(refusals > 10, `${refusals} refusals`); // more often than the log is looked at when nothing is wrong
  let listens = 0;
  methods.listen = (topic, wake) => {
    listens++;
    return memory.listen(topic, wake);
  };
  await clock.advance(5000);
  assertEquals([listens, told], [1, undefined]);
  await registry.register({ id: ADA });
  await turn(); // no timer has run: it was woken
  assertEquals(told, "join");
  await registry.close();
});

Deno.test("watch() of one type tells of its agents alone, also that deaths of it are held back", async () => {
  const { registry, backend, clock } = open({ heartbeatTtlMs: 3000, holdMinimum: 2 });
  const watcher = new AgentRegistry(backend, { clock, heartbeatTtlMs: 3000, holdMinimum: 2 });
  await watcher.startHeartbeats();
  const ended = new AbortController();
  const events = watcher.watch({ type: "writer", signal: ended.signal });
  const seen: AgentEvent[] = [];
  const reading = (async () => {
    for await (const event of events) seen.push(event);
  })();
  await clock.advance(10);
  await watcher.register({ id: { type: "reader" } });
  for (const id of [ADA, BOB]) await registry.register({ id });
  for (const id of [ADA, BOB]) await registry.heartbeat(id);
  await clock.advance(20_000);
  ended.abort();
  await reading;
  const told = seen.map((event) => event.type);
  assert(told.includes("join") && told.includes("suspect") && told.includes("expiry_held"), told.join(" "));
  assert(seen.every((event) => (event.type === "expiry_held" ? event.agentType : event.agentId.type) === "writer"));
  await watcher.close();
  await registry.close();
  await turn();
});

// deno-lint-ignore require-yield -- a listing that fails before its first item
async function* failing(error: Error): AsyncGenerator<never> {
  await Promise.resolve();
  throw error;
}

Deno.test("AgentRegistry commits no more at once than the engine takes", async () => {
  const { registry, memory, methods, clock } = open({ heartbeatTtlMs: 30_000 });
  // As npm:@deno/kv, which checks each record that it writes, and checks no more than ten.
  Object.assign(methods, { traits: { ...memory.traits, maxBatchSize: 10 } });
  methods.commit = ({ checks = [], operations, ...rest }) => {
    const keys = new Set([...checks, ...operations].map((each) => "key" in each ? encodeKey(each.key) : ""));
    if (keys.size > 10) return Promise.reject(new RangeError("too many checks"));
    return memory.commit({ checks, operations, ...rest });
  };
  const ids = Array.from({ length: 12 }, (_, index) => ({ type: "writer", instance: String(index) }));
  const failed: unknown[] = [];
  registry.on("state_failed", (event) => failed.push(event));
  const registerAll = () =>
    Promise.all(
      ids.map((id) => registry.register({ id, exportState: () => ({ own: id.instance }), importState: () => {} })),
    );
  await registerAll();
  await registry.startHeartbeats();
  const saved = async () => JSON.stringify(await Array.fromAsync(memory.list([]))).match(/"own"/g)?.length;
  await until("all states are saved", async () => await saved() === ids.length);
  assertEquals(failed, []);
  await Promise.all(ids.map((id) => registry.deregister(id)));
  assertEquals((await registerAll()).map(({ restored }) => restored), ids.map(() => true));
  await registry.close();
  await using other = new AgentRegistry(memory, { clock });
  assertEquals(await Array.fromAsync(other.listRegistered()), []);
});
