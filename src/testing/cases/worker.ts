/** Cases: serveAgent keeps its promises on this backend. @module */

import assert from "node:assert/strict";
import { LeaseLostError, PermanentFailureError } from "../../errors.ts";
import { MessageCoordinator } from "../../messages/coordinator.ts";
import type { AgentId } from "../../messages/model.ts";
import { serveAgent } from "../../messages/worker.ts";
import type { ConformanceCase } from "../case.ts";

const SENDER: AgentId = { type: "sender" };
const AGENT: AgentId = { type: "worker" };

async function sendNumbers(coordinator: MessageCoordinator, count: number): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, (_, n) => coordinator.sendMessage(SENDER, AGENT, { payload: { n } })),
  );
}

/** A promise to be resolved from outside. */
function gate(): { readonly passed: Promise<void>; readonly open: () => void } {
  let open = () => {};
  const passed = new Promise<void>((resolve) => open = resolve);
  return { passed, open };
}

/** Cases about the worker loop. */
export const workerCases: readonly ConformanceCase[] = [
  {
    name: "serveAgent() handles every message once, and no more at once than it may",
    run: async ({ backend, until }) => {
      const coordinator = new MessageCoordinator(backend);
      await sendNumbers(coordinator, 50);
      const handled: unknown[] = [];
      let running = 0;
      let most = 0;
      const server = serveAgent(coordinator, {
        agentId: AGENT,
        process: async ({ payload }) => {
          most = Math.max(most, ++running);
          await Promise.resolve();
          handled.push(payload.n);
          running--;
        },
      }, { concurrency: 8 });
      await until("all messages are handled", () => handled.length >= 50);
      await sendNumbers(coordinator, 10);
      await until("later messages are handled", () => handled.length >= 60);
      await server.stop();
      assert.equal(handled.length, 60);
      assert.ok(most <= 8, `${most} at once`);
      assert.deepEqual(await coordinator.stats(), []);
    },
  },
  {
    name: "serveAgent() stores and sends with the acknowledgement, and replies to requests",
    run: async ({ backend, until }) => {
      const coordinator = new MessageCoordinator(backend);
      const server = serveAgent(coordinator, {
        agentId: AGENT,
        process: ({ messageId, payload }, { also }) => {
          also({ operations: [{ type: "set", key: ["done", messageId], value: payload }] });
          return { echo: payload };
        },
      });
      const reply = await coordinator.request(AGENT, { n: 7 }, { timeoutMs: 20_000 });
      assert.deepEqual(reply.payload, { echo: { n: 7 } });
      assert.equal(await backend.count(["done"]), 1);
      await sendNumbers(coordinator, 1);
      await until("the event is handled", async () => await backend.count(["done"]) === 2);
      await server.stop();
    },
  },
  {
    name: "serveAgent() gives back what a handler fails at, and gives up what fails for good",
    run: async ({ backend, until }) => {
      const coordinator = new MessageCoordinator(backend, { backoffBaseMs: 0 });
      const errors: unknown[] = [];
      const attempts: number[] = [];
      const server = serveAgent(coordinator, {
        agentId: AGENT,
        process: ({ payload }, { attempt }) => {
          if (payload.n === 0) throw new PermanentFailureError("never");
          attempts.push(attempt);
          if (attempt < 3) throw new Error("not yet");
        },
      }, { onError: (error) => errors.push(error) });
      await sendNumbers(coordinator, 2);
      await until("the second is handled", () => attempts.length === 3);
      await server.stop();
      assert.deepEqual(attempts, [1, 2, 3]);
      assert.equal(errors.length, 3);
      const stats = await coordinator.stats(AGENT);
      assert.deepEqual([stats.ready, stats.leased, stats.dead], [0, 0, 1]);
      for await (const dead of coordinator.deadLetters(AGENT)) assert.equal(dead.lastError, "never");
    },
  },
  {
    name: "serveAgent() aborts a handler that takes too long, as a timeout",
    run: async ({ backend, until }) => {
      const coordinator = new MessageCoordinator(backend, { retryAttempts: 0 });
      let reason: unknown;
      const server = serveAgent(coordinator, {
        agentId: AGENT,
        process: (_, { signal }) =>
          new Promise((_resolve, reject) => {
            signal.addEventListener("abort", () => {
              reason = signal.reason;
              reject(signal.reason);
            });
          }),
      }, { timeoutMs: 20 });
      await sendNumbers(coordinator, 1);
      await until("the message is given up", async () => (await coordinator.stats(AGENT)).dead === 1);
      await server.stop();
      assert.ok(reason instanceof Error && reason.message.includes("20 ms"));
    },
  },
  {
    name: "serveAgent() extends the lease while the handler runs, and aborts it when the lease is lost all the same",
    needs: ["injected clock"],
    run: async ({ backend, elapse, until }) => {
      const coordinator = new MessageCoordinator(backend);
      const [started, finish] = [gate(), gate()];
      const aborted: unknown[] = [];
      const server = serveAgent(coordinator, {
        agentId: AGENT,
        process: async (_, { signal }) => {
          signal.addEventListener("abort", () => aborted.push(signal.reason));
          started.open();
          await finish.passed;
        },
      }, { visibilityTimeoutMs: 300 });
      await sendNumbers(coordinator, 1);
      await started.passed;
      const leaseEnds = async () => {
        for await (const { dueAtMs } of backend.messages(["ao", "mailbox", AGENT.type, "default"], "leased")) {
          return dueAtMs;
        }
        return 0;
      };
      // The backend's time moves only here: what ends the lease later is an extension, made in real time.
      await elapse(50);
      const before = await leaseEnds();
      await until("the lease was extended", async () => await leaseEnds() > before);
      assert.equal(aborted.length, 0);
      await elapse(10_000);
      assert.equal(await coordinator.recoverPending(), 1);
      await until("the handler was aborted", () => aborted.length > 0);
      assert.ok(aborted[0] instanceof LeaseLostError);
      finish.open();
      await server.stop();
    },
  },
  {
    name: "serveAgent() drains on stop(): what runs is finished, nothing more is taken",
    run: async ({ backend }) => {
      const coordinator = new MessageCoordinator(backend);
      const [started, finish] = [gate(), gate()];
      let handled = 0;
      const server = serveAgent(coordinator, {
        agentId: AGENT,
        process: async () => {
          started.open();
          await finish.passed;
          handled++;
        },
      });
      await sendNumbers(coordinator, 3);
      await started.passed;
      const stopped = server.stop();
      assert.equal(server.running, 1);
      finish.open();
      await stopped;
      await server.stop(); // a second time does nothing
      assert.equal(handled, 1);
      const stats = await coordinator.stats(AGENT);
      assert.deepEqual([stats.ready, stats.leased], [2, 0]);
    },
  },
  {
    name: "serveAgent() stops when told to although a handler hangs: it is aborted and its message given back",
    run: async ({ backend }) => {
      const coordinator = new MessageCoordinator(backend);
      const started = gate();
      const server = serveAgent(coordinator, {
        agentId: AGENT,
        process: async () => {
          started.open();
          await new Promise(() => {});
        },
      });
      await sendNumbers(coordinator, 1);
      await started.passed;
      await server.stop({ timeoutMs: 10 });
      assert.equal((await coordinator.stats(AGENT)).delayed, 1);
    },
  },
  {
    name: "serveAgent() ends with the error when the backend is closed under it",
    run: async ({ backend }) => {
      const server = serveAgent(new MessageCoordinator(backend), { agentId: AGENT, process: () => {} });
      await backend.close();
      // At once: whoever waits is woken, and does not go on for as long as it would have waited.
      await assert.rejects(server.finished, { code: "BACKEND_CLOSED" });
    },
  },
  {
    name: "serveAgent() refuses options that break their rules, naming them",
    run: async ({ backend }) => {
      const coordinator = new MessageCoordinator(backend);
      const proxy = { agentId: AGENT, process: () => {} };
      assert.throws(() => serveAgent(coordinator, proxy, { concurrency: 0 }), /concurrency.*from 1 to 1000/);
      assert.throws(() => serveAgent(coordinator, proxy, { timeoutMs: 0 }), /timeoutMs.*from 1/);
      assert.throws(() => serveAgent(coordinator, { ...proxy, agentId: { type: "" } }), /agentId\.type.*not be empty/);
      assert.deepEqual(await coordinator.stats(), []);
    },
  },
];
