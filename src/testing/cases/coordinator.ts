/** Cases: the message coordinator keeps its promises on this backend. @module */

import assert from "node:assert/strict";
import { systemClock } from "../../clock.ts";
import { CommitRefusedError, QueueFullError } from "../../errors.ts";
import { MessageCoordinator } from "../../messages/coordinator.ts";
import { collect } from "../../storage/es2024.ts";
import { type ConformanceCase, LONG_MS } from "../case.ts";
import { AGENT, coordinate, drain, receiveOne, SENDER, sendNumbers } from "../coordinator_steps.ts";

/** Cases about the coordinator. */
export const coordinatorCases: readonly ConformanceCase[] = [
  {
    name: "coordinator: a message arrives as it was sent, with every default filled in",
    run: async ({ backend }) => {
      const [coordinator] = coordinate(backend);
      const result = await coordinator.sendMessage(SENDER, AGENT, {
        payload: { text: "héllo 👋", deep: [{ a: null }] },
      });
      assert.equal(result.delivered, true);
      const received = await receiveOne(coordinator);
      const { messageId, timestamp, ...rest } = received.message;
      assert.equal(messageId, result.messageId);
      assert.ok(Math.abs(Date.parse(timestamp) - systemClock.now()) < 60_000);
      assert.deepEqual(rest, {
        sender: SENDER,
        recipient: AGENT,
        messageType: "event",
        payload: { text: "héllo 👋", deep: [{ a: null }] },
        priority: 5,
        routing: {},
      });
      const { message: _, enqueuedAt, ...queued } = received.queueMessage;
      assert.deepEqual(queued, { priority: 5, deliveryAttempts: 0 });
      assert.ok(Date.parse(received.visibilityDeadline) > Date.parse(enqueuedAt));
    },
  },
  {
    name: "coordinator: G3 order: LOW, HIGH, NORMAL, NORMAL come as HIGH, NORMAL, NORMAL, LOW",
    run: async ({ backend }) => {
      const [coordinator] = coordinate(backend);
      for (const [n, priority] of [[1, 1], [2, 9], [3, 5], [4, 5]] as const) {
        await coordinator.sendMessage(SENDER, AGENT, { payload: { n }, priority });
      }
      assert.deepEqual(await drain(coordinator), [2, 3, 4, 1]);
    },
  },
  {
    name: "coordinator: nack() backs off exponentially, then gives the message up with its last error",
    run: async ({ backend, shortMs, elapse }) => {
      const [coordinator, metrics] = coordinate(backend);
      coordinator.configure({ retryAttempts: 2, backoffBaseMs: shortMs, backoffFactor: 2, backoffMaxMs: 10 * shortMs });
      await sendNumbers(coordinator, 1);
      for (const [attempt, delayMs] of [[1, shortMs], [2, 2 * shortMs]] as const) {
        const received = await receiveOne(coordinator);
        assert.equal(received.attempt, attempt);
        assert.equal(await received.nack({ error: `failure ${attempt}` }), true);
        assert.equal(await coordinator.receive(AGENT), null, "it is delayed");
        await elapse(delayMs);
      }
      const last = await receiveOne(coordinator);
      assert.equal(last.queueMessage.deliveryAttempts, 2);
      assert.equal(last.queueMessage.lastError, "failure 2");
      assert.equal(await last.nack({ error: "failure 3" }), true);
      assert.equal(await coordinator.receive(AGENT), null);
      const [dead, ...others] = await collect(coordinator.deadLetters(AGENT));
      assert.deepEqual(others, []);
      assert.equal(dead?.lastError, "failure 3");
      assert.equal(dead?.deliveryAttempts, 3);
      const { retry } = metrics.snapshot();
      assert.deepEqual(retry, {
        totalNacks: 3,
        totalRetriesScheduled: 2,
        totalPermanentFailures: 1,
        lastBackoffSeconds: 2 * shortMs / 1000,
      });
    },
  },
  {
    name: "coordinator: a permanent failure goes to the dead letters at once, and redrive() brings it back",
    run: async ({ backend }) => {
      const [coordinator] = coordinate(backend);
      await sendNumbers(coordinator, 3);
      for (let n = 1; n <= 3; n++) {
        await (await receiveOne(coordinator)).nack({ failure: "permanent", error: `no ${n}` });
      }
      const dead = await collect(coordinator.deadLetters(AGENT));
      assert.deepEqual(dead.map(({ message }) => message.payload.n), [1, 2, 3]);
      assert.equal((await collect(coordinator.deadLetters(AGENT, { limit: 2 }))).length, 2);
      assert.equal(await coordinator.redrive(AGENT, { where: ({ message }) => message.payload.n === 2 }), 1);
      const back = await receiveOne(coordinator);
      assert.deepEqual([back.message.payload.n, back.attempt], [2, 1]);
      await back.ack();
      assert.equal(await coordinator.redrive(AGENT), 2);
      assert.deepEqual(await drain(coordinator), [1, 3]);
    },
  },
  {
    name:
      "coordinator: G5 what is not settled in time is delivered again, and recoverPending() finds it for all agents",
    run: async ({ backend, shortMs, elapse }) => {
      const [coordinator, metrics] = coordinate(backend);
      const other = { type: "other" };
      await sendNumbers(coordinator, 1);
      await coordinator.sendMessage(SENDER, other, { payload: { n: 2 } });
      await receiveOne(coordinator, AGENT, shortMs);
      await receiveOne(coordinator, other, shortMs);
      assert.equal(await coordinator.recoverPending(), 0);
      await elapse(shortMs);
      assert.equal(await coordinator.recoverPending(), 2);
      assert.equal(metrics.snapshot().consumption.recovered, 2);
      const again = await receiveOne(coordinator);
      assert.deepEqual([again.attempt, again.queueMessage.deliveryAttempts], [2, 1]);
      assert.ok(again.queueMessage.lastError?.includes("lease"));
    },
  },
  {
    name: "coordinator: G2 a stale token changes nothing and is told so, by ack, nack, extend and from anywhere",
    run: async ({ backend, shortMs, elapse }) => {
      const [coordinator, metrics] = coordinate(backend);
      await sendNumbers(coordinator, 1);
      const stale = await receiveOne(coordinator, AGENT, shortMs);
      await elapse(shortMs);
      const fresh = await receiveOne(coordinator);
      assert.equal(await stale.ack(), false);
      assert.equal(await stale.nack(), false);
      assert.equal(await stale.extend(), false);
      assert.equal(await coordinator.ack(AGENT, stale.token), false);
      assert.equal(metrics.snapshot().consumption.leasesLost, 4);
      assert.equal(await coordinator.ack(AGENT, fresh.token), true);
      assert.equal(await coordinator.ack(AGENT, fresh.token), false, "a second time is stale");
      assert.equal(await coordinator.ack(AGENT, "nonsense"), false, "nobody ever held it");
      assert.equal((await coordinator.stats(AGENT)).leased, 0);
    },
  },
  {
    name: "coordinator: a full mailbox refuses with queue_full, and has room again after an acknowledgement",
    run: async ({ backend }) => {
      const [coordinator, metrics] = coordinate(backend);
      coordinator.configure({ queueSize: 2 });
      await sendNumbers(coordinator, 2);
      const refused = await coordinator.sendMessage(SENDER, AGENT, { messageId: "the-third", payload: {} });
      assert.deepEqual([refused.messageId, refused.delivered, refused.error?.code], ["the-third", false, "queue_full"]);
      assert.deepEqual(metrics.snapshot().delivery, { deliveredOk: 2, deliveredError: 1 });
      await assert.rejects(coordinator.request(AGENT, {}), QueueFullError);
      await (await receiveOne(coordinator)).ack();
      assert.equal((await coordinator.sendMessage(SENDER, AGENT, { messageId: "the-third" })).delivered, true);
    },
  },
  {
    name: "coordinator: G6 the same message id twice is one message for each recipient; equal payloads are two",
    run: async ({ backend }) => {
      const [coordinator] = coordinate(backend);
      const other = { type: "other" };
      const message = { messageId: "order-1", payload: { n: 1 } };
      assert.deepEqual(await coordinator.sendMessage(SENDER, AGENT, message), {
        messageId: "order-1",
        delivered: true,
      });
      assert.equal((await coordinator.sendMessage(SENDER, AGENT, message)).duplicate, true);
      assert.equal((await coordinator.sendMessage(SENDER, other, message)).duplicate, undefined);
      await sendNumbers(coordinator, 1);
      assert.deepEqual(await drain(coordinator), [1, 1]);
      assert.equal(
        (await coordinator.sendMessage(SENDER, AGENT, message)).duplicate,
        true,
        "remembered after it is gone",
      );
      assert.deepEqual(await drain(coordinator, other), [1]);
    },
  },
  {
    name: "coordinator: G7 ack({ also }) sends and stores in one step with the acknowledgement, or does nothing",
    run: async ({ backend }) => {
      const [coordinator] = coordinate(backend);
      const next = { type: "next" };
      await sendNumbers(coordinator, 1);
      const received = await receiveOne(coordinator);
      const followUp = coordinator.prepareSend(AGENT, next, { payload: { n: 10 } });
      const note = { operations: [{ type: "set" as const, key: ["note"], value: "learned" }] };
      const impossible = { checks: [{ key: ["note"], version: "1234" }], operations: [] };
      const error = await received.ack({ also: [followUp, note, impossible] }).catch((caught: unknown) => caught);
      assert.ok(error instanceof CommitRefusedError);
      assert.equal(error.reason, "conflict");
      assert.deepEqual(await backend.get([["note"]]), [null]);
      assert.equal(await coordinator.receive(next), null);
      assert.equal((await coordinator.stats(AGENT)).leased, 1, "the message is still the receiver's");
      assert.equal(await received.ack({ also: [followUp, note] }), true);
      assert.equal((await backend.get([["note"]]))[0]?.value, "learned");
      assert.deepEqual(await drain(coordinator, next), [10]);
    },
  },
  {
    name: "coordinator: receive({ limit }) takes several in order, and receive({ waitMs }) wakes when one comes",
    run: async ({ backend }) => {
      const [coordinator] = coordinate(backend);
      const waiting = coordinator.receive(AGENT, { waitMs: 20_000, visibilityTimeoutMs: LONG_MS });
      await sendNumbers(coordinator, 3);
      assert.equal((await waiting)?.message.payload.n, 1);
      const rest = await coordinator.receive(AGENT, { limit: 10, waitMs: 20_000, visibilityTimeoutMs: LONG_MS });
      assert.deepEqual(rest.map((received) => received.message.payload.n), [2, 3]);
      assert.deepEqual(await coordinator.receive(AGENT, { limit: 10 }), []);
    },
  },
  {
    name: "coordinator: an aborted wait rejects with the signal's reason and takes nothing",
    run: async ({ backend }) => {
      const [coordinator] = coordinate(backend);
      const controller = new AbortController();
      const waiting = coordinator.receive(AGENT, { waitMs: Infinity, signal: controller.signal });
      controller.abort(new Error("enough"));
      await assert.rejects(waiting, /enough/);
      await sendNumbers(coordinator, 1);
      assert.deepEqual(await drain(coordinator), [1]);
    },
  },
  {
    name: "coordinator: a delayed message comes when it is due",
    run: async ({ backend, shortMs, elapse }) => {
      const [coordinator] = coordinate(backend);
      await coordinator.sendMessage(SENDER, AGENT, { payload: { n: 1 } }, { delayMs: shortMs });
      assert.equal(await coordinator.receive(AGENT), null);
      assert.equal((await coordinator.stats(AGENT)).delayed, 1);
      await elapse(shortMs);
      assert.deepEqual(await drain(coordinator), [1]);
    },
  },
  {
    name: "coordinator: G11 two namespaces on one store share neither mailboxes nor subscriptions",
    run: async ({ backend }) => {
      const acme = new MessageCoordinator(backend, { namespace: ["tenant", "acme"] });
      const lookalike = new MessageCoordinator(backend, { namespace: ["tenant", "acme-corp"] });
      await acme.subscribeToMessages(AGENT, ["event"]);
      await sendNumbers(acme, 1);
      assert.deepEqual(await lookalike.stats(), []);
      assert.equal(await lookalike.receive(AGENT), null);
      assert.deepEqual(await lookalike.broadcastMessage(SENDER, {}), []);
      assert.equal(await lookalike.recoverPending(), 0);
      assert.deepEqual(await drain(acme), [1]);
    },
  },
  {
    name: "coordinator: purge() removes by state, id and age, and only that",
    run: async ({ backend }) => {
      const [coordinator] = coordinate(backend);
      await sendNumbers(coordinator, 2);
      await (await receiveOne(coordinator)).nack({ failure: "permanent" });
      await coordinator.sendMessage(SENDER, AGENT, { messageId: "by-name" });
      assert.equal(await coordinator.purge(AGENT, { ids: ["by-name", "nobody"] }), 1);
      assert.equal(await coordinator.purge(AGENT, { states: ["dead"] }), 1);
      assert.equal(await coordinator.purge(AGENT, { olderThanMs: LONG_MS }), 0);
      assert.deepEqual(await drain(coordinator), [2]);
    },
  },
  {
    name: "coordinator: metrics that throw harm nothing",
    run: async ({ backend }) => {
      const fail = () => {
        throw new Error("no metrics today");
      };
      const metrics = {
        incDeliveredOk: fail,
        incDeliveredError: fail,
        incRetriesScheduled: fail,
        incNacks: fail,
        incPermanent: fail,
        incReceived: fail,
        incAcknowledged: fail,
      };
      const coordinator = new MessageCoordinator(backend, { metrics });
      await sendNumbers(coordinator, 2);
      assert.equal(await (await receiveOne(coordinator)).nack({ failure: "permanent" }), true);
      assert.deepEqual(await drain(coordinator), [2]);
    },
  },
  {
    name: "coordinator: a message of a newer format goes to the dead letters instead of to a handler",
    run: async ({ backend }) => {
      const [coordinator] = coordinate(backend);
      await sendNumbers(coordinator, 1);
      const [sent] = await backend.claim(["ao", "mailbox", AGENT.type, AGENT.instance ?? ""], { leaseMs: LONG_MS });
      assert.ok(sent);
      const { queue, id, token } = sent;
      const newer = { queue, id: "from-the-future", value: { v: 2, message: {} }, priority: 5, maxAttempts: 3 };
      await backend.commit({
        operations: [{ type: "ack", queue, id, token }, { type: "enqueue", ...newer, dedupeMs: 0, capacity: 10 }],
      });
      assert.equal(await coordinator.receive(AGENT), null);
      assert.equal((await coordinator.stats(AGENT)).dead, 1);
    },
  },
];
