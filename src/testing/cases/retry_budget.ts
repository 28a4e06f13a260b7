/** Cases: a shared retry budget is one bucket for the whole fleet. @module */

import assert from "node:assert/strict";
import { SharedRetryBudget } from "../../resilience/shared_retry_budget.ts";
import type { ConformanceCase } from "../case.ts";
import { ManualClock } from "../manual_clock.ts";
import { valueOf } from "../steps.ts";
import { WatchedBackend } from "../watched_backend.ts";

const KEY = ["ao", "retry_budget", "service"];
const RULES = { name: "service", capacity: 100, retryCost: 10 };

/** Cases about the shared retry budget. */
export const retryBudgetCases: readonly ConformanceCase[] = [
  {
    name: "retry budget: processes that spend at once spend no more than there is",
    run: async ({ backend, peer }) => {
      const other = backend.traits.shared ? await peer() : backend;
      const budgets = [backend, other, backend, other].map((backend) => new SharedRetryBudget({ ...RULES, backend }));
      const costs: (number | null)[] = [];
      for (let round = 0; round < 4; round++) {
        costs.push(...await Promise.all(budgets.map((budget) => budget.spend("network"))));
      }
      assert.equal(costs.filter((cost) => cost !== null).length, 10);
      assert.deepEqual(await valueOf(backend, KEY), { v: 1, tokens: 0 });
    },
  },
  {
    name: "retry budget: what successes earn in one process pays for retries in another",
    run: async ({ backend, peer }) => {
      const clock = new ManualClock();
      const earner = new SharedRetryBudget({ ...RULES, backend, clock });
      const spender = new SharedRetryBudget({
        ...RULES,
        backend: backend.traits.shared ? await peer() : backend,
        clock,
      });
      for (let count = 0; count < 10; count++) await spender.spend("network");
      assert.equal(await spender.spend("network"), null);
      for (let count = 0; count < 10; count++) earner.succeed(0);
      await earner.flush();
      assert.equal(await spender.spend("network"), 10);
      assert.equal(await spender.spend("network"), null);
    },
  },
  {
    name: "retry budget: in an outage each process goes by its own count, and no error surfaces",
    run: async ({ backend }) => {
      const store = new WatchedBackend(backend);
      const budget = new SharedRetryBudget({ ...RULES, capacity: 20, backend: store });
      store.fault = "unreachable";
      assert.equal(await budget.spend("network"), 10);
      assert.equal(await budget.spend("network"), 10);
      assert.equal(await budget.spend("network"), null);
      budget.succeed(10);
      await budget.flush();
      assert.equal(await budget.spend("network"), 10);
    },
  },
];
