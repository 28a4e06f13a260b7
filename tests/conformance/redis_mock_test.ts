/**
 * Where no Redis server can be installed, the Redis backend passes the cases of the storage contract on ioredis-mock, as
 * far as that goes, and tells how many were left out. With `TTA_REDIS_MOCK=1` it does so beside a server too.
 *
 * @module
 */

import { RedisBackend } from "../../backends/redis.ts";
import { badInputCases } from "../../src/testing/cases/bad_input.ts";
import { batchCases } from "../../src/testing/cases/batches.ts";
import { capacityCases } from "../../src/testing/cases/capacity.ts";
import { deadLetterCases } from "../../src/testing/cases/dead_letters.ts";
import { expiryCases } from "../../src/testing/cases/expiry.ts";
import { leaseCases } from "../../src/testing/cases/leases.ts";
import { lifecycleCases } from "../../src/testing/cases/lifecycle.ts";
import { listenCases } from "../../src/testing/cases/listen.ts";
import { listCases } from "../../src/testing/cases/lists.ts";
import { conformanceCases } from "../../src/testing/cases/mod.ts";
import { orderCases } from "../../src/testing/cases/order.ts";
import { recordCases } from "../../src/testing/cases/records.ts";
import { viewCases } from "../../src/testing/cases/views.ts";
import { backendConformance } from "../../src/testing/mod.ts";
import { mockClient } from "../redis/mock.ts";
import { redisProgram } from "../servers/redis.ts";

/** The others are about primitives, which do not see the engine, or make thousands of calls, of which each takes long. */
const GROUPS = [
  lifecycleCases,
  recordCases,
  listCases,
  expiryCases,
  batchCases,
  orderCases,
  leaseCases,
  capacityCases,
  deadLetterCases,
  viewCases,
  listenCases,
  badInputCases,
];

/** What the emulator does otherwise, or too slowly. */
const LEFT_OUT = [
  /UTF-8|below a prefix in the order/, // it compares strings by UTF-16
  /2,500|1,500/, // it reads each script anew at each call
];

/** Thrown where a case lets time pass: what is to last some 100 ms has ended here before it is looked at. */
class TimePasses extends Error {}

if (redisProgram === null || Deno.env.get("TTA_REDIS_MOCK") === "1") {
  const chosen = new Set(
    GROUPS.flat().map(({ name }) => name).filter((name) => !LEFT_OUT.some((pattern) => pattern.test(name))),
  );
  let passed = 0;
  let stores = 0;
  backendConformance({
    prefix: "",
    test: (name, run) => {
      if (!chosen.has(name)) return;
      Deno.test(`redis mock: ${name}`, async () => {
        try {
          await run();
          passed++;
        } catch (error) {
          if (!(error instanceof TimePasses)) throw error;
        }
      });
    },
    factory: () => {
      const client = mockClient(`store-${++stores}`);
      const open = (namespace = "ao") => new RedisBackend({ client, namespace });
      return {
        backend: open(),
        reopen: () => Promise.resolve(open()),
        peer: () => Promise.resolve(open()),
        neighbour: () => Promise.resolve(open("neighbour")),
      };
    },
    advance: (ms) => ms > 100 ? Promise.reject(new TimePasses()) : new Promise((resolve) => setTimeout(resolve, ms)),
  });
  Deno.test("redis mock: tells how many cases it left out", () => {
    const leftOut = conformanceCases.length - passed;
    // deno-lint-ignore no-console -- whoever runs the tests must see what they do without
    console.info(`redis mock: ${passed} cases passed, ${leftOut} were left out: they need a server`);
  });
}
