/** The Redis backend on a server that answers what no healthy one does: told clearly, tried again where that may help. @module */

import { assert, assertEquals, assertFalse, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import {
  isRefusedLogin,
  movedTo,
  refusalOf,
  translate,
  unavailable,
  withoutSecrets,
} from "../../backends/redis/faults.ts";
import { RedisBackend, type RedisBackendOptions } from "../../backends/redis.ts";
import { toWindow } from "../../backends/redis/units/enqueues.ts";
import {
  BackendCorruptError,
  BackendUnavailableError,
  OutcomeUnknownError,
  SchemaNewerError,
} from "../../src/errors.ts";
import type { Batch, EnqueueOperation } from "../../src/storage/backend.ts";
import { type Answers, scriptedServer } from "./scripted_server.ts";

/** Runs a test on a backend whose server answers as told. */
async function withServer(
  run: (backend: RedisBackend, answers: Answers) => Promise<void>,
  options: Partial<RedisBackendOptions> = {},
): Promise<void> {
  const { client, answers } = scriptedServer();
  await using backend = new RedisBackend({ client, commandTimeoutMs: 500, ...options });
  await run(backend, answers);
}

const refuse = (message: string) => () => {
  throw new Error(message);
};

const lease = { queue: ["q"], id: "m", token: "t" };
const enqueue: EnqueueOperation = {
  type: "enqueue",
  queue: ["q"],
  id: "m",
  value: 1,
  priority: 5,
  maxAttempts: 1,
  dedupeMs: 0,
  capacity: 1,
};

Deno.test("RedisBackend refuses options that break their rules, and repeats no URL", () => {
  const { client } = scriptedServer();
  assertThrows(() => new RedisBackend({}), TypeError, "they must have either url or client");
  assertThrows(() => new RedisBackend({ url: "redis://h", client }), TypeError, "either url or client");
  assertThrows(() => new RedisBackend({ client, namespace: "\ud800" }), TypeError, "it must be well-formed Unicode");
  for (const url of ["http://u:s3cret@h", "s3cret", "redis://"]) {
    const error = assertThrows(() => new RedisBackend({ url }), TypeError, "redis://host:port");
    assertFalse(String(error).includes("s3cret"));
  }
});

Deno.test("RedisBackend tells of a namespace that a newer version wrote, or somebody else", async () => {
  await withServer(async (backend, answers) => {
    answers.script = () => ["newer", "2 1790000000000000"];
    await assertRejects(() => backend.count([]), SchemaNewerError);
    answers.script = () => ["newer", "somebody else's"];
    await assertRejects(() => backend.count([]), BackendCorruptError, "its marker is none of this library's");
    answers.mget = (keys) => ["3 1790000000000000", ...keys.slice(1).map(() => null)];
    await assertRejects(() => backend.get([["k"]]), SchemaNewerError);
  });
});

Deno.test("RedisBackend tells of answers that no script of its own gives", async () => {
  await withServer(async (backend, answers) => {
    for (const reply of ["text", [], ["odd"], null]) {
      answers.script = () => reply;
      await assertRejects(
        () => backend.count([]),
        BackendCorruptError,
        "it answered what no script of this version does",
      );
    }
    const set = { type: "set", key: ["k"], value: 1 } as const;
    const mixed: Batch = { operations: [set, { type: "retry", ...lease }] };
    const steps: readonly (readonly [reply: unknown, call: () => Promise<unknown>])[] = [
      [["done"], () => backend.commit({ operations: [set] })],
      [["done", "v", "asleep"], () => backend.commit(mixed)],
      [["odd"], () => backend.commit(mixed)],
      ["text", () => backend.commit(mixed)],
      [5, () => backend.commit({ operations: [enqueue] })],
      [5, () => backend.commit({ operations: [{ type: "ack", ...lease }] })],
      ["text", () => backend.claim(["q"], { leaseMs: 1000 })],
      [[1000, 1, "id", 5, "token"], () => backend.claim(["q"], { leaseMs: 1000 })],
    ];
    for (const [reply, call] of steps) {
      answers.script = () => ["ok", Date.now(), reply];
      await assertRejects(call, BackendCorruptError, "where another type belongs");
    }
  });
});

Deno.test("RedisBackend sends a write that came too late a few times, and gives up then", async () => {
  await withServer(async (backend, answers) => {
    let sent = 0;
    answers.script = () => (sent++, ["late", Date.now()]);
    const error = await assertRejects(() => backend.clear(["p"]), BackendUnavailableError);
    assert(error.message.includes("the server was too late, and did nothing"));
    assertEquals(sent, 3);
  });
});

Deno.test("RedisBackend tells why the server refused for as long as a write was wanted", async () => {
  await withServer(async (backend, answers) => {
    answers.script = ([, until]) => {
      if (Date.now() > Number(until)) return ["late", Date.now()];
      throw new Error("NOREPLICAS Not enough good replicas to write.");
    };
    await assertRejects(() => backend.clear(["p"]), BackendUnavailableError, "NOREPLICAS");
  });
});

Deno.test("RedisBackend waits while the server refuses for now, and tells of what is final at once", async () => {
  await withServer(async (backend, answers) => {
    let refusals = 0;
    answers.script = () => {
      if (++refusals < 3) throw new Error("LOADING Redis is loading the dataset in memory");
      return ["ok", 0, 7];
    };
    assertEquals(await backend.count([]), 7);
    answers.script = refuse("WRONGTYPE Operation against a key holding the wrong kind of value");
    await assertRejects(() => backend.count([]), BackendCorruptError, "WRONGTYPE");
    answers.script = refuse("BUSY Redis is busy running a script");
    await assertRejects(() => backend.count([]), BackendUnavailableError, "BUSY");
    answers.script = refuse("ERR unknown command, with args beginning with: 'AUTH' 's3cret'");
    const error = await assertRejects(() => backend.count([]), BackendUnavailableError);
    assertFalse(`${error.message}${error.cause}`.includes("s3cret"));
  });
});

Deno.test("RedisBackend does not know what became of a write that the client has failed for a reason of its own", async () => {
  const set: Batch = { operations: [{ type: "set", key: ["k"], value: 1 }] };
  // As ioredis does, before it tells that the connection has ended; when it cannot read an answer; when a caller's limit is over.
  for (const reason of ["Connection is closed.", 'Protocol error, got "H" as reply type byte', "Command timed out"]) {
    await withServer(async (backend, answers) => {
      let calls = 0;
      const once = (reply: unknown) => () => {
        if (calls++ === 0) throw new Error(reason);
        return reply;
      };
      answers.script = once(null);
      await assertRejects(() => backend.commit(set), OutcomeUnknownError, `: the connection was lost (${reason})`);
      calls = 0;
      answers.script = once(["ok", 0, 7]);
      assertEquals(await backend.count([]), 7, "a read is made again");
    });
  }
});

Deno.test("RedisBackend sends a write again that the client did not send", async () => {
  await withServer(async (backend, answers) => {
    let calls = 0;
    answers.script = () => {
      if (calls++ === 0) throw new Error("Stream isn't writeable and enableOfflineQueue options is false");
      return ["ok", Date.now(), ["done", "v1"]];
    };
    assertEquals((await backend.commit({ operations: [{ type: "set", key: ["k"], value: 1 }] })).committed, true);
    assertEquals(calls, 2);
  });
});

Deno.test("RedisBackend runs a script whose hash the server has forgotten", async () => {
  await withServer(async (backend, answers) => {
    let calls = 0;
    answers.script = () => {
      if (++calls % 2 === 1) throw new Error("NOSCRIPT No matching script. Please use EVAL.");
      return ["ok", 0, calls];
    };
    assertEquals(await backend.count([]), 2);
  });
});

Deno.test("RedisBackend does without what a user may not ask for, and gives up where the login is refused", async () => {
  await withServer(async (backend, answers) => {
    answers.info = refuse("NOPERM this user has no permissions to run the 'info' command");
    assertEquals((await backend.ping()).healthy, true);
  });
  await withServer(async (backend, answers) => {
    answers.connect = refuse("WRONGPASS invalid username-password pair or user is disabled.");
    const error = await assertRejects(() => backend.count([]), BackendUnavailableError);
    assert(error.message.includes("the server refused the login"));
  });
  await withServer(async (backend, answers) => {
    answers.info = refuse("ERR of another kind");
    await assertRejects(() => backend.count([]), BackendUnavailableError);
  }, { commandTimeoutMs: 50 });
});

Deno.test("RedisBackend waits for a server that loads its data, or is a replica of nobody that is known", async () => {
  for (const info of ["role:master\r\nloading:1\r\n", "role:slave\r\n"]) {
    await withServer(async (backend, answers) => {
      answers.info = () => info;
      const error = await assertRejects(() => backend.count([]), BackendUnavailableError);
      assert(/is loading its data|is a replica/.test(error.message), error.message);
    }, { commandTimeoutMs: 100 });
  }
});

Deno.test("RedisBackend reads the nodes of a cluster as far as they are told, also of Valkey's", async () => {
  for (const mode of ["redis_mode", "server_mode"]) {
    for (const slots of ["odd", [5, [0, 1, "odd", ["", 1], [null, 1], ["127.0.0.1", 7001]]]]) {
      await withServer(async (backend, answers) => {
        let asked = 0;
        answers.info = () => `${mode}:cluster\r\nrole:master\r\n`;
        answers.slots = () => (asked++, slots);
        answers.script = () => ["ok", 0, 3];
        assertEquals([await backend.count([]), asked], [3, 1]);
      });
    }
  }
});

Deno.test("ping() tells why the server does not answer, whatever was thrown, and that the backend was closed", async () => {
  await withServer(async (backend, answers) => {
    answers.ping = () => Promise.reject("a string");
    const { healthy, error } = await backend.ping();
    assertEquals(healthy, false);
    assert(error?.includes("a string"), error);
    await backend.close();
    assertEquals((await backend.ping()).healthy, false);
  });
});

Deno.test("messages() passes over what has left the queue meanwhile", async () => {
  await withServer(async (backend, answers) => {
    const replies: unknown[] = [["ok", 1, 1, "", "m", 0, "m", "", ""], ["ok", null, null]];
    answers.script = () => replies.shift();
    assertEquals(await Array.fromAsync(backend.messages(["q"], "ready")), []);
    assertEquals(replies, []);
  });
});

Deno.test("movedTo(), refusalOf() and isRefusedLogin() read a server's errors, and no others", () => {
  assertEquals(movedTo(new Error("MOVED 1234 127.0.0.1:7001")), { host: "127.0.0.1", port: 7001 });
  assertEquals(movedTo(new Error("MOVED 1 ::1:7001")), { host: "::1", port: 7001 });
  assertEquals([movedTo(new Error("MOVED 1234 :7001")), movedTo(new Error("ERR")), movedTo("MOVED 1 h:1")], [
    null,
    null,
    null,
  ]);
  assertEquals(
    ["MOVED 1 h:1", "READONLY You", "LOADING x", "ERR x", "lower case"].map((text) => refusalOf(new Error(text))),
    [
      "elsewhere",
      "elsewhere",
      "later",
      "final",
      "final",
    ],
  );
  assertEquals(refusalOf("MOVED 1 h:1"), "final");
  assertEquals(["WRONGPASS x", "NOAUTH", "ERR invalid password"].map((text) => isRefusedLogin(new Error(text))), [
    true,
    true,
    true,
  ]);
  assertFalse(isRefusedLogin("WRONGPASS"));
});

Deno.test("translate() and unavailable() say what a caller may know, and no more", () => {
  assertInstanceOf(translate("r", new Error("WRONGTYPE x")), BackendCorruptError);
  assertInstanceOf(translate("r", "a string"), BackendUnavailableError);
  assertEquals(
    unavailable("r", new Error("NOAUTH x")).message,
    'Cannot reach the backend "r": the server refused the login (NOAUTH x)',
  );
  assertEquals(withoutSecrets(new Error("")).message, "the connection failed");
  assertEquals(withoutSecrets("ERR x, with args beginning with: 's3cret'").message, "ERR x");
});

Deno.test("toWindow() rounds up by a quarter at most, to few different lengths", () => {
  assertEquals([0, 0.5, 4, 5, 9, 300_000].map(toWindow), [0, 1, 4, 5, 10, 327_680]);
  for (let ms = 5; ms < 5000; ms += 7) assert(toWindow(ms) >= ms && toWindow(ms) <= ms * 1.25);
});
