/** Cases: broadcasts, requests and replies, and what the coordinator refuses. @module */

import assert from "node:assert/strict";
import { RequestFailedError, RequestTimeoutError } from "../../errors.ts";
import { MessageCoordinator } from "../../messages/coordinator.ts";
import type { AgentMessageInput, MessageType } from "../../messages/model.ts";
import { serveAgent } from "../../messages/worker.ts";
import { NullMetrics } from "../../observability/metrics.ts";
import type { JsonObject } from "../../storage/json.ts";
import type { ConformanceCase } from "../case.ts";
import { AGENT, coordinate, SENDER } from "../coordinator_steps.ts";

/** Cases about what goes to several agents, and comes back. */
export const exchangeCases: readonly ConformanceCase[] = [
  {
    name:
      "coordinator: broadcastMessage() reaches the subscribers of its type and topic, once each, and named recipients",
    run: async ({ backend }) => {
      const [coordinator] = coordinate(backend);
      const [a, b, c] = [{ type: "a" }, { type: "b", instance: "1" }, { type: "c" }];
      await coordinator.subscribeToMessages(a, ["event"]);
      await coordinator.subscribeToMessages(a, ["event", "request"], { topics: ["news"] });
      const subscription = await coordinator.subscribeToMessages(b, ["event"], { topics: ["news", "weather"] });
      const again = await coordinator.subscribeToMessages(b, ["event"], { topics: ["weather", "news"] });
      assert.equal(again.subscriptionId, subscription.subscriptionId);
      await coordinator.subscribeToMessages(c, ["request"]);
      const reach = async (messageType: MessageType, topic?: string) => {
        const results = await coordinator.broadcastMessage(SENDER, { messageType, routing: { topic } });
        assert.ok(results.every((result) => result.delivered));
        const counts = (await coordinator.stats()).map(({ agent, ready }) => `${agent.type}${ready}`);
        for (const agent of [a, b, c]) await coordinator.purge(agent);
        return counts.sort().join(" ");
      };
      assert.equal(await reach("event"), "a1");
      assert.equal(await reach("event", "news"), "a1 b1");
      assert.equal(await reach("event", "sports"), "a1");
      assert.equal(await reach("request", "news"), "a1 c1");
      assert.equal(await reach("response"), "");
      assert.equal(await coordinator.unsubscribe(subscription), true);
      assert.equal(await coordinator.unsubscribe(subscription), false);
      assert.equal(await reach("event", "news"), "a1");
      assert.equal((await coordinator.broadcastMessage(SENDER, {}, [b, c])).length, 2);
      assert.equal((await coordinator.stats(b)).ready, 1);
    },
  },
  {
    name: "coordinator: request() gets its own reply, and learns when the request is given up or nobody answers",
    run: async ({ backend }) => {
      const [coordinator] = coordinate(backend);
      const answering = (async () => {
        for (let handled = 0; handled < 3;) {
          for (const received of await coordinator.receive(AGENT, { limit: 10, waitMs: 20_000 })) {
            const { n } = received.message.payload;
            if (n === 3) await received.nack({ failure: "permanent", error: "no threes" });
            else await received.reply({ doubled: Number(n) * 2 });
            handled++;
          }
        }
      })();
      const replies = [1, 2, 3].map((n) => coordinator.request(AGENT, { n }, { timeoutMs: 20_000 }));
      for (const reply of replies) reply.catch(() => {}); // each is looked at below, maybe long after it came
      assert.equal((await replies[1])?.payload.doubled, 4);
      const first = await replies[0];
      assert.deepEqual([first?.payload.doubled, first?.messageType, first?.sender], [2, "response", AGENT]);
      await assert.rejects(replies[2] ?? Promise.resolve(), (error) => {
        return error instanceof RequestFailedError && error.message.includes("no threes");
      });
      await answering;
      await assert.rejects(coordinator.request(AGENT, { n: 4 }, { timeoutMs: 50 }), RequestTimeoutError);
      const signal = AbortSignal.abort(new Error("never mind"));
      await assert.rejects(coordinator.request(AGENT, { n: 5 }, { signal }), /never mind/);
    },
  },
  {
    name: "coordinator: bad input is refused with the field and the rule, and nothing is sent",
    run: async ({ backend }) => {
      const [coordinator] = coordinate(backend);
      const refusals: [unknown, RegExp][] = [
        [{ messageId: "short" }, /messageId.*6 to 256 characters/],
        [{ payload: [1] }, /payload.*JSON object/],
        [{ payload: { at: new Date(0) } }, /payload\.at.*Date/],
        [{ payload: { a: [undefined] } }, /payload\.a\[0\].*undefined/],
        [{ priority: 10 }, /priority.*0 to 9/],
        [{ priority: 1.5 }, /priority.*0 to 9/],
        [{ messageType: "letter" }, /messageType.*request, response or event/],
        [{ timestamp: "yesterday" }, /timestamp.*ISO 8601/],
        [{ topic: "news" }, /must not have topic/],
      ];
      for (const [input, expected] of refusals) {
        const sent = coordinator.sendMessage(SENDER, AGENT, input as AgentMessageInput);
        await assert.rejects(sent, (error) => error instanceof TypeError && expected.test(error.message));
      }
      await assert.rejects(coordinator.sendMessage({ type: "" }, AGENT, {}), /sender\.type.*not be empty/);
      await assert.rejects(coordinator.sendMessage(SENDER, AGENT, {}, { delayMs: -1 }), /delayMs.*from 0/);
      await assert.rejects(coordinator.receive(AGENT, { visibilityTimeoutMs: 0 }), /visibilityTimeoutMs.*from 1/);
      await assert.rejects(coordinator.receive(AGENT, { limit: 0 }), /limit.*from 1/);
      await assert.rejects(coordinator.ack(AGENT, Object.create(null)), /token.*string/);
      assert.throws(() => coordinator.configure({ queueSize: 5, retryAttempts: -1 }), /retryAttempts.*from 0/);
      assert.equal(coordinator.configuration.queueSize, 10_000, "a refused change changes nothing");
      assert.deepEqual(await coordinator.stats(), []);
    },
  },
  {
    name: "coordinator: callbacks that reject harm nothing, and are told of no more than once",
    run: async ({ backend, until }) => {
      let told = 0;
      const reject = () => {
        told++;
        return Promise.reject(new Error("not today"));
      };
      const metrics = { ...new NullMetrics(), incDeliveredOk: reject, incDeliveredError: reject, incNacks: reject };
      const coordinator = new MessageCoordinator(backend, {
        metrics: { ...metrics, incRetriesScheduled: reject, incPermanent: reject },
        retryAttempts: 0,
      });
      await coordinator.sendMessage(SENDER, AGENT, {});
      const server = serveAgent(coordinator, {
        agentId: AGENT,
        process: () => Promise.reject(new Error("cannot do it")),
      }, { onError: reject });
      await until("it is given up", async () => (await coordinator.stats(AGENT)).dead === 1);
      await server.stop();
      assert.ok(told >= 3);
    },
  },
  {
    name: "coordinator: a filter with a misspelt condition is refused instead of meaning everything",
    run: async ({ backend }) => {
      const [coordinator] = coordinate(backend);
      await coordinator.sendMessage(SENDER, AGENT, {});
      const misspelt: object = { id: ["message-9"] };
      await assert.rejects(coordinator.purge(AGENT, misspelt), /id: purge\(\) takes only states, ids, olderThanMs/);
      await assert.rejects(coordinator.redrive(AGENT, misspelt), /id: redrive\(\) takes only ids, where, limit/);
      await assert.rejects(coordinator.redrive(AGENT, { limit: NaN }), /limit.*integer/);
      await assert.rejects(coordinator.redrive(AGENT, { limit: -1 }), /limit.*from 0/);
      const noList: object = { ids: "message-9" };
      await assert.rejects(coordinator.purge(AGENT, noList), /ids: it must be an array/);
      assert.equal((await coordinator.stats(AGENT)).ready, 1);
    },
  },
  {
    name: "coordinator: a request that is aborted before it is sent is not sent",
    run: async ({ backend }) => {
      const [coordinator] = coordinate(backend);
      const controller = new AbortController();
      const asked = coordinator.request(AGENT, {}, { signal: controller.signal });
      controller.abort(new Error("never mind"));
      await assert.rejects(asked, /never mind/);
      assert.deepEqual(await coordinator.stats(), []);
    },
  },
  {
    name: "coordinator: a reply is a JSON object, and what asks for none properly is acknowledged all the same",
    run: async ({ backend, until }) => {
      const [coordinator] = coordinate(backend);
      await coordinator.sendMessage(SENDER, AGENT, { replyTo: "an address without a correlation" });
      let handled = 0;
      const server = serveAgent(coordinator, { agentId: AGENT, process: () => void handled++ });
      await until("it is handled", async () => handled === 1 && (await coordinator.stats()).length === 0);
      await server.stop();
      const asked = coordinator.request(AGENT, {}, { timeoutMs: 20_000 });
      const [received] = await coordinator.receive(AGENT, { limit: 1, waitMs: 20_000 });
      assert.ok(received);
      const list: object = [1];
      await assert.rejects(async () => await received.reply(list as JsonObject), /payload.*JSON object/);
      await received.reply({ fine: true });
      assert.deepEqual((await asked).payload, { fine: true });
    },
  },
];
