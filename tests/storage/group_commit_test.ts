/** Group commit: round trips are shared, outcomes are not. @module */

import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { BackendUnavailableError } from "../../src/errors.ts";
import { GroupCommit, type GroupCommitOptions } from "../../src/storage/group_commit.ts";

/** A group whose round trips are ended by the test, one after the other. */
function makeGroup(options: Partial<GroupCommitOptions<number, string>> = {}) {
  const trips: {
    calls: readonly number[];
    end: (outcomes?: (string | Error)[]) => void;
    fail: (error: unknown) => void;
  }[] = [];
  const group = new GroupCommit<number, string>({
    flush: (calls) =>
      new Promise((resolve, reject) => {
        trips.push({ calls, end: (outcomes = calls.map(String)) => resolve(outcomes), fail: reject });
      }),
    ...options,
  });
  /** Ends the round trips under way, and those that follow, until there are none. */
  const endAll = async () => {
    for (let index = 0; index < trips.length; index++) {
      trips[index]?.end();
      await turn();
    }
  };
  return { group, trips, endAll };
}

/** Lets every promise callback run, but no timer. */
async function turn(): Promise<void> {
  for (let times = 0; times < 20; times++) await Promise.resolve();
}

Deno.test("GroupCommit refuses bounds that would let nothing through, and what is no function", () => {
  for (const name of ["maxCalls", "maxWeight", "maxInFlight", "spreadFrom", "maxWaiting"]) {
    makeGroup({ [name]: 1 });
    assertThrows(
      () => makeGroup({ [name]: 0 }),
      RangeError,
      `Cannot use ${name}: it must be from 1 to Infinity, got 0`,
    );
    assertThrows(() => makeGroup({ [name]: "5" }), TypeError, `Cannot use ${name}: it must be a number`);
  }
  for (const name of ["flush", "weigh"]) {
    assertThrows(() => makeGroup({ [name]: 5 }), TypeError, `Cannot use ${name}: it must be a function`);
  }
  const none = { flush: undefined } as unknown as GroupCommitOptions<number, string>;
  assertThrows(() => new GroupCommit(none), TypeError, "Cannot use flush: it must be a function, got undefined");
  assertThrows(
    () => makeGroup({ ["maxCall" as "maxCalls"]: 5 }),
    TypeError,
    "Cannot use maxCall: GroupCommit takes only flush",
  );
});

Deno.test("GroupCommit.run() sends an idle call at once, with no timer", async () => {
  const { group, trips } = makeGroup();
  const call = group.run(1);
  await turn();
  assertEquals(trips.map(({ calls }) => calls), [[1]]);
  trips[0]?.end(["one"]);
  assertEquals(await call, "one");
});

Deno.test("GroupCommit.run() puts the calls of one turn together", async () => {
  const { group, trips, endAll } = makeGroup();
  const calls = [group.run(1), group.run(2), group.run(3)];
  await turn();
  assertEquals(trips.map((trip) => trip.calls), [[1, 2, 3]]);
  await endAll();
  assertEquals(await Promise.all(calls), ["1", "2", "3"]);
});

Deno.test("GroupCommit.run() puts what is called while a round trip is under way into the next one", async () => {
  const { group, trips, endAll } = makeGroup();
  const calls = [group.run(1)];
  for (const call of [2, 3, 4]) {
    await turn();
    calls.push(group.run(call));
  }
  await turn();
  assertEquals(trips.length, 1);
  trips[0]?.end();
  await turn();
  assertEquals(trips.map((trip) => trip.calls), [[1], [2, 3, 4]]);
  await endAll();
  assertEquals(await Promise.all(calls), ["1", "2", "3", "4"]);
});

Deno.test("GroupCommit.run() gives each call its own success or failure", async () => {
  const { group, trips } = makeGroup();
  const calls = [group.run(1), group.run(2), group.run(3)];
  await turn();
  const error = new RangeError("of the second alone");
  trips[0]?.end(["one", error, "three"]);
  const [one, two, three] = await Promise.allSettled(calls);
  assertEquals([one, three], [{ status: "fulfilled", value: "one" }, { status: "fulfilled", value: "three" }]);
  assert(two?.status === "rejected" && two.reason === error);
});

Deno.test("GroupCommit.run() fails all calls of a round trip that fails, and goes on with the next", async () => {
  const { group, trips, endAll } = makeGroup();
  const first = [group.run(1), group.run(2)];
  await turn();
  const second = group.run(3);
  const error = new Error("the connection broke");
  trips[0]?.fail(error);
  for (const outcome of await Promise.allSettled(first)) {
    assert(outcome.status === "rejected" && outcome.reason === error);
  }
  await turn();
  await endAll();
  assertEquals(await second, "3");
});

Deno.test("GroupCommit.run() fails the calls when flush throws instead of rejecting", async () => {
  const group = new GroupCommit<number, string>({
    flush: () => {
      throw new Error("at once");
    },
  });
  const outcomes = await Promise.allSettled([group.run(1), group.run(2)]);
  assertEquals(outcomes.map(({ status }) => status), ["rejected", "rejected"]);
  await assertRejects(() => group.run(3), Error, "at once");
  await group.drain();
});

Deno.test("GroupCommit.run() fails a call that its round trip gave no outcome", async () => {
  const { group, trips } = makeGroup();
  const calls = Promise.allSettled([group.run(1), group.run(2)]);
  await turn();
  trips[0]?.end(["one"]);
  const [one, two] = await calls;
  assertEquals(one?.status, "fulfilled");
  assert(two?.status === "rejected");
  assertInstanceOf(two.reason, Error);
  assertEquals(two.reason.message, "Cannot settle the call: its round trip gave no outcome");
});

Deno.test("GroupCommit.run() sends at most maxCalls in one round trip, in the order of the calls", async () => {
  const { group, trips, endAll } = makeGroup({ maxCalls: 3 });
  const calls = [1, 2, 3, 4, 5, 6, 7].map((call) => group.run(call));
  await turn();
  await endAll();
  assertEquals(trips.map((trip) => trip.calls), [[1, 2, 3], [4, 5, 6], [7]]);
  assertEquals(await Promise.all(calls), ["1", "2", "3", "4", "5", "6", "7"]);
});

Deno.test("GroupCommit.run() sends at most maxWeight in one round trip, and a heavier call alone", async () => {
  const { group, trips, endAll } = makeGroup({ maxWeight: 10, weigh: (call) => call });
  const calls = [4, 6, 1, 50, 2, 9].map((call) => group.run(call));
  await turn();
  await endAll();
  assertEquals(trips.map((trip) => trip.calls), [[4, 6], [1], [50], [2], [9]]);
  assertEquals((await Promise.all(calls)).length, 6);
});

Deno.test("GroupCommit.run() has at most maxInFlight round trips under way", async () => {
  const { group, trips, endAll } = makeGroup({ maxInFlight: 2, maxCalls: 2 });
  const calls = [1, 2, 3, 4, 5, 6].map((call) => group.run(call));
  await turn();
  assertEquals(trips.map((trip) => trip.calls), [[1, 2], [3, 4]]);
  trips[1]?.end();
  await turn();
  assertEquals(trips.map((trip) => trip.calls), [[1, 2], [3, 4], [5, 6]]);
  await endAll();
  await Promise.all(calls);
});

Deno.test("GroupCommit.run() refuses one more than maxWaiting, and takes calls again when there is room", async () => {
  const { group, trips, endAll } = makeGroup({ maxWaiting: 2 });
  const calls = [group.run(1)];
  await turn();
  calls.push(group.run(2), group.run(3));
  await assertRejects(() => group.run(4), BackendUnavailableError, "2 calls are waiting already");
  trips[0]?.end();
  await turn();
  calls.push(group.run(5));
  await endAll();
  assertEquals(await Promise.all(calls), ["1", "2", "3", "5"]);
});

Deno.test("GroupCommit.run() fails the one call that cannot be weighed", async () => {
  const { group, endAll } = makeGroup({
    weigh: (call) => {
      if (call === 2) throw new TypeError("no weight");
      return 1;
    },
  });
  const [one, two] = [group.run(1), group.run(2)];
  await assertRejects(() => two, TypeError, "no weight");
  await endAll();
  assertEquals(await one, "1");
});

Deno.test("GroupCommit.drain() waits for what waits and what is under way, and not when there is nothing", async () => {
  const { group, trips } = makeGroup({ maxCalls: 1 });
  await group.drain();
  const calls = Promise.allSettled([group.run(1), group.run(2)]);
  let drained = 0;
  const draining = [group.drain(), group.drain()].map((promise) => promise.then(() => drained++));
  await turn();
  trips[0]?.end();
  await turn();
  assertEquals([trips.length, drained], [2, 0]);
  trips[1]?.fail(new Error("the last one fails"));
  await Promise.all(draining);
  assertEquals(drained, 2);
  await calls;
});

Deno.test("GroupCommit.run() settles each of 10,000 calls with its own result", async () => {
  let trips = 0;
  const group = new GroupCommit<number, number>({
    flush: async (calls) => {
      trips++;
      await Promise.resolve();
      return calls.map((call) => call * 2);
    },
  });
  const calls = Array.from({ length: 10_000 }, (_, call) => group.run(call));
  assertEquals(await Promise.all(calls), calls.map((_, call) => call * 2));
  assertEquals(trips, 10);
});

Deno.test("GroupCommit.run() spreads many calls over the round trips that may be under way when told to", async () => {
  const { group, trips, endAll } = makeGroup({ maxInFlight: 2, spreadFrom: 3 });
  const calls = Array.from({ length: 10 }, (_, index) => group.run(index));
  await turn();
  assertEquals(trips.map((trip) => trip.calls.length), [5, 5]);
  trips[0]?.end();
  await turn();
  calls.push(group.run(10), group.run(11), group.run(12), group.run(13));
  await turn();
  assertEquals(trips[2]?.calls, [10, 11, 12, 13], "fewer than its share, or than the smallest group, go together");
  await endAll();
  assertEquals((await Promise.all(calls)).length, 14);
});

Deno.test("GroupCommit.run() does not spread few calls", async () => {
  const { group, trips, endAll } = makeGroup({ maxInFlight: 2, spreadFrom: 3 });
  const calls = [group.run(1), group.run(2), group.run(3)];
  await turn();
  assertEquals(trips.map((trip) => trip.calls), [[1, 2, 3]]);
  await endAll();
  await Promise.all(calls);
});

Deno.test("GroupCommit.run() gives the larger share to the first round trips, each time anew", async () => {
  const { group, trips, endAll } = makeGroup({ maxInFlight: 2, spreadFrom: 1 });
  const calls = [1, 2, 3].map((call) => group.run(call));
  await turn();
  assertEquals(trips.map((trip) => trip.calls), [[1, 2], [3]]);
  await endAll();
  calls.push(...[4, 5, 6, 7].map((call) => group.run(call)));
  await turn();
  assertEquals(trips.slice(2).map((trip) => trip.calls), [[4, 5], [6, 7]], "what was under way is so no more");
  await endAll();
  await Promise.all(calls);
});

Deno.test("GroupCommit.run() sends 1000 calls in one round trip unless told otherwise, each of the weight 1", async () => {
  const { group, trips, endAll } = makeGroup();
  const calls = Array.from({ length: 2001 }, (_, call) => group.run(call));
  await turn();
  await endAll();
  assertEquals(trips.map((trip) => trip.calls.length), [1000, 1000, 1]);
  await Promise.all(calls);
  const light = makeGroup({ maxWeight: 2 });
  const more = [1, 2, 3].map((call) => light.group.run(call));
  await turn();
  await light.endAll();
  assertEquals(light.trips.map((trip) => trip.calls), [[1, 2], [3]]);
  await Promise.all(more);
});

Deno.test("GroupCommit.run() lets 100,000 calls wait unless told otherwise", async () => {
  const group = new GroupCommit<number, number>({ flush: (calls) => Promise.resolve(calls) });
  const calls = Array.from({ length: 100_000 }, (_, call) => group.run(call));
  await assertRejects(() => group.run(0), BackendUnavailableError, "100000 calls are waiting already");
  assertEquals((await Promise.all(calls)).length, 100_000);
});

Deno.test("GroupCommit.run() queues one microtask for the calls of a turn, and none while no round trip may begin", async () => {
  const { group, endAll } = makeGroup();
  const queue = globalThis.queueMicrotask;
  let queued = 0;
  globalThis.queueMicrotask = (callback) => {
    queued++;
    queue(callback);
  };
  try {
    const calls = [1, 2, 3].map((call) => group.run(call));
    assertEquals(queued, 1);
    await turn();
    calls.push(group.run(4), group.run(5));
    assertEquals(queued, 1);
    await endAll();
    assertEquals(queued, 2);
    await Promise.all(calls);
  } finally {
    globalThis.queueMicrotask = queue;
  }
});

Deno.test("GroupCommit.drain() waits for all round trips under way, and is a promise when there are none", async () => {
  const { group, trips, endAll } = makeGroup({ maxInFlight: 2, maxCalls: 1 });
  assertInstanceOf(group.drain(), Promise);
  const calls = [group.run(1), group.run(2)];
  await turn();
  let drained = false;
  const draining = group.drain().then(() => drained = true);
  trips[0]?.end();
  await turn();
  assertEquals(drained, false);
  await endAll();
  await draining;
  await Promise.all(calls);
});
