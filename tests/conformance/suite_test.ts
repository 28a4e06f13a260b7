/** The suite itself: each fault is seen by the case that is named for it, and no case is left out in silence. @module */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { MemoryBackend } from "../../backends/memory.ts";
import { BackendUnavailableError } from "../../src/errors.ts";
import type { StorageBackend } from "../../src/storage/backend.ts";
import type { ConformanceFixture } from "../../src/testing/case.ts";
import { backendConformance, type ConformanceOptions, ManualClock } from "../../src/testing/mod.ts";

const clock = new ManualClock();

/** What a backend does wrong, the case that must see it, and how it is made to do so. */
const FAULTS: readonly (readonly [
  fault: string,
  seenBy: string,
  sabotage: (backend: StorageBackend) => Partial<StorageBackend>,
])[] = [
  [
    "lets two consumers win one claim, in two steps",
    "G2 one live lease: claim() gives a message to one of 16 consumers",
    (backend) => {
      let winning: ReturnType<StorageBackend["claim"]> | undefined;
      return {
        claim: (queue, options) => {
          winning ??= backend.claim(queue, options).finally(() => winning = undefined);
          return winning;
        },
      };
    },
  ],
  [
    "loses a message between two steps of a claim",
    "G1 nothing accepted is lost: what consumers leave behind is handled by the others",
    (backend) => ({
      claim: async (queue, options) => {
        const claimed = await backend.claim(queue, options);
        const removed = claimed.map(({ id }) => ({ type: "purge", queue, id }) as const);
        await backend.commit({ operations: removed });
        return claimed;
      },
    }),
  ],
  [
    "scans a queue to acknowledge",
    "G8 bounded: an acknowledgement among 10,000 leased messages costs what it costs alone, with no scan",
    (backend) => ({
      commit: async (batch) => {
        const [operation] = batch.operations;
        if (operation?.type === "ack") await Array.fromAsync(backend.messages(operation.queue, "leased"));
        return await backend.commit(batch);
      },
    }),
  ],
  [
    "delivers a poison message for ever",
    "G4 bounded attempts: a poison message that kills each of its consumers is dead after the last attempt",
    (backend) => ({
      commit: ({ operations, ...rest }) =>
        backend.commit({
          ...rest,
          operations: operations.map((each) => each.type === "enqueue" ? { ...each, maxAttempts: 1_000_000 } : each),
        }),
    }),
  ],
  [
    "takes messages of the same content for one",
    "messages of the same content are as many messages",
    (backend) => ({
      commit: async ({ operations, ...rest }) => {
        const sent = new Set<string>();
        const kept = operations.filter((each) => {
          if (each.type !== "enqueue") return true;
          const text = JSON.stringify(each.value);
          return !sent.has(text) && sent.add(text);
        });
        const result = await backend.commit({ ...rest, operations: kept });
        return result.committed
          ? {
            ...result,
            results: operations.map((_, index) => result.results[index] ?? { type: "enqueue", duplicate: true }),
          }
          : result;
      },
    }),
  ],
  [
    "overwrites blindly what another has changed since",
    "G7 atomic batches: a counter that 16 writers raise by check and set loses no step",
    (backend) => ({ commit: ({ operations }) => backend.commit({ operations }) }),
  ],
  [
    "keeps the names of queues that are empty",
    "G8 bounded: a queue that was emptied is gone, for 1,500 queues",
    (backend) => {
      const names: (readonly string[])[] = [];
      return {
        commit: (batch) => {
          for (const each of batch.operations) if (each.type === "enqueue") names.push(each.queue);
          return backend.commit(batch);
        },
        queues: async function* () {
          yield* names;
        },
      };
    },
  ],
  [
    "clears nothing",
    "clear() deletes what is below the prefix and nothing else, and tells how many",
    (backend) => ({ clear: (prefix) => backend.count(prefix) }),
  ],
  [
    "counts the whole database",
    "count() counts what is below the prefix and nothing else",
    (backend) => ({ count: () => backend.count([]) }),
  ],
  [
    "compares a prefix as text",
    "list() never gives a neighbour whose name begins alike: tenant/acme is not tenant/acme-corp",
    (backend) => ({
      list: async function* (prefix, options) {
        for await (const entry of backend.list([], options)) {
          if (entry.key.join("/").startsWith(prefix.join("/"))) yield entry;
        }
      },
    }),
  ],
  [
    "does half of a batch",
    "G7 atomic batches: one stale token refuses all of it",
    (backend) => ({
      commit: async ({ operations, ...rest }) => {
        for (const [index, operation] of operations.entries()) {
          const result = await backend.commit({ ...rest, operations: [operation] });
          if (!result.committed) return { ...result, index };
        }
        return { committed: true, results: [] };
      },
    }),
  ],
  [
    "accepts a stale token",
    "G2 one live lease: the token of an expired lease is stale, before and after the next delivery",
    (backend) => ({
      commit: async (batch) => {
        const result = await backend.commit(batch);
        return result.committed || result.reason !== "lease_lost"
          ? result
          : { committed: true, results: [{ type: "ack" }] };
      },
    }),
  ],
  [
    "never forgets an id",
    "G6 idempotent sends: an id is remembered no longer than twice its window, whatever is sent meanwhile",
    (backend) => ({
      commit: ({ operations, ...rest }) =>
        backend.commit({
          ...rest,
          operations: operations.map((each) => each.type === "enqueue" ? { ...each, dedupeMs: 1e9 } : each),
        }),
    }),
  ],
  [
    "lets a queue grow without bound",
    "G8 bounded: of 50 sends at once, as many are accepted as fit",
    (backend) => ({
      commit: ({ operations, ...rest }) =>
        backend.commit({
          ...rest,
          operations: operations.map((each) => each.type === "enqueue" ? { ...each, capacity: 1e9 } : each),
        }),
    }),
  ],
  [
    "needs a sweeper to end a lease",
    "G5 prompt redelivery: claim() finds expired leases by itself",
    (backend) => ({
      claim: async (queue, options) => (await backend.claim(queue, options)).filter(({ attempt }) => attempt === 1),
    }),
  ],
  [
    "gives back what has expired",
    "G10 no expired record: get(), list() and count() leave it out",
    (backend) => ({
      commit: ({ operations, ...rest }) =>
        backend.commit({
          ...rest,
          operations: operations.map((each) => each.type === "set" ? { ...each, expiresInMs: 1e9 } : each),
        }),
    }),
  ],
  [
    "stays open when it is closed",
    "G13 clean closing: every call on a closed backend fails with BACKEND_CLOSED",
    () => ({ close: () => Promise.resolve() }),
  ],
];

for (const [fault, seenBy, sabotage] of FAULTS) {
  Deno.test(`the suite sees a backend that ${fault}`, async () => {
    const run = caseNamed(seenBy, () => {
      const backend = new MemoryBackend({ clock });
      return { backend: withFaults(backend, sabotage(backend)) };
    });
    await assertRejects(run, Error);
  });
}

Deno.test("backendConformance() registers every case once, under the prefix", () => {
  const names: string[] = [];
  backendConformance({
    ...options(() => ({ backend: new MemoryBackend() })),
    prefix: "mine: ",
    test: (name) => names.push(name),
  });
  assert(names.length > 150);
  assertEquals(new Set(names).size, names.length);
  assertEquals(names.filter((name) => !name.startsWith("mine: ")), []);
});

Deno.test("backendConformance() reports a case that it leaves out, and why", async () => {
  const leftOut: [string, string][] = [];
  const name = "no version of a key is used twice, over reopening";
  await caseNamed(name, () => ({ backend: new MemoryBackend({ clock }) }), {
    leftOut: (...told) => leftOut.push(told),
  })();
  assertEquals(leftOut, [[name, "the backend is not durable"]]);
});

Deno.test("backendConformance() fails a fixture that lacks what its backend's traits promise", async () => {
  const durable = () => {
    const backend = new MemoryBackend({ clock });
    return { backend: withFaults(backend, { traits: { ...backend.traits, durable: true, shared: true } }) };
  };
  const name = "no version of a key is used twice, over reopening";
  await assertRejects(caseNamed(name, durable), TypeError, "the fixture has no reopen()");
  await assertRejects(caseNamed("listen() wakes for what another handle commits", durable), TypeError, "no peer()");
});

Deno.test("backendConformance() closes the backend and then disposes of the fixture, also when the case fails", async () => {
  const steps: string[] = [];
  const factory = () => {
    const backend = new MemoryBackend({ clock });
    const close = () => {
      steps.push("close");
      return backend.close();
    };
    const clear = () => Promise.reject(new Error("the case fails"));
    const dispose = () => Promise.resolve(void steps.push("dispose"));
    return { backend: withFaults(backend, { close, clear }), dispose };
  };
  await assertRejects(
    caseNamed("clear() deletes 2,500 records, and leaves queues alone", factory),
    Error,
    "the case fails",
  );
  assertEquals(steps, ["close", "dispose"]);
});

Deno.test("backendConformance() ends a case that hangs", async () => {
  const factory = () => {
    const backend = new MemoryBackend({ clock });
    return { backend: withFaults(backend, { count: () => new Promise(() => {}) }) };
  };
  const run = caseNamed("clear() deletes 2,500 records, and leaves queues alone", factory, { caseLimitMs: 50 });
  await assertRejects(run, Error, "it took longer than 50 ms");
});

// The outage cases, on a backend whose outages are made: so that they are known to work before an engine needs them.
for (const name of namesOf("G12").concat(namesOf("during an outage"))) {
  Deno.test(`with made outages: ${name}`, async () => {
    await caseNamed(name, withOutages, { leftOut: (_, reason) => assert(false, reason) })();
  });
}

Deno.test("the suite sees a backend that hangs during an outage", async () => {
  const hanging = () => {
    const fixture = withOutages();
    return { ...fixture, backend: withFaults(fixture.backend, { stats: () => new Promise(() => {}) }) };
  };
  const [name] = namesOf("G12 bounded outages");
  await assertRejects(caseNamed(name ?? "", hanging, { caseLimitMs: 100 }), Error, "it took longer than 100 ms");
});

/** A memory backend whose engine can be made unreachable. */
function withOutages(): ConformanceFixture {
  const backend = new MemoryBackend({ clock });
  let isDown = false;
  const refuse = () => new BackendUnavailableError("Cannot reach the engine: it is away");
  const reachable = new Proxy(backend, {
    get(target, name) {
      const member = Reflect.get(target, name, target);
      if (typeof member !== "function") return member;
      if (!isDown || name === "close" || name === Symbol.asyncDispose) return member.bind(target);
      if (name === "ping") return () => Promise.resolve({ healthy: false, latencyMs: 0, error: refuse().message });
      if (name === "list" || name === "messages" || name === "queues") {
        // deno-lint-ignore require-yield -- it fails before it gives anything
        return async function* () {
          throw refuse();
        };
      }
      return () => Promise.reject(refuse());
    },
  });
  const outage = () => {
    isDown = true;
    return Promise.resolve(() => {
      isDown = false;
      return Promise.resolve();
    });
  };
  return { backend: reachable, outage };
}

/** A backend that does some things otherwise. */
function withFaults(backend: StorageBackend, faults: Partial<StorageBackend>): StorageBackend {
  return new Proxy(backend, {
    get(target, name) {
      if (Object.hasOwn(faults, name)) return Reflect.get(faults, name);
      const member = Reflect.get(target, name, target);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}

function options(factory: () => ConformanceFixture): ConformanceOptions {
  return { test: () => {}, factory, advance: (ms) => clock.advance(ms) };
}

/** The names of the cases that have this text in theirs. */
function namesOf(text: string): string[] {
  const names: string[] = [];
  backendConformance({ ...options(withOutages), test: (name) => names.push(name) });
  return names.filter((name) => name.includes(text));
}

/** What runs one case of the suite. */
function caseNamed(
  wanted: string,
  factory: () => ConformanceFixture,
  more: Partial<ConformanceOptions> = {},
): () => Promise<void> {
  const found: (() => Promise<void>)[] = [];
  const test = (name: string, run: () => Promise<void>) => {
    if (name === wanted) found.push(run);
  };
  backendConformance({ ...options(factory), ...more, test });
  const [run] = found;
  assert(run, `there is a case "${wanted}"`);
  return run;
}
