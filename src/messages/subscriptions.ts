/** Durable subscriptions: who wants which broadcasts. @module */

import type { StorageBackend } from "../storage/backend.ts";
import type { JsonValue } from "../storage/json.ts";
import type { MessageKeys } from "./envelope.ts";
import { type AgentId, checkSubscription, type MessageSubscription, type MessageType } from "./model.ts";

/** What a subscription lets through. */
export interface BroadcastFilter {
  readonly messageType: MessageType;
  readonly topic: string | undefined;
}

/** The subscriptions of one namespace: a record each, owned by the subscriber, who removes it. */
export class Subscriptions {
  readonly #backend: StorageBackend;
  readonly #keys: MessageKeys;

  /** The subscriptions below these keys. */
  constructor(backend: StorageBackend, keys: MessageKeys) {
    this.#backend = backend;
    this.#keys = keys;
  }

  /** Stores a subscription. The same wish twice, in any order, is one: restarts do not pile them up. */
  async add(agent: AgentId, types: readonly MessageType[], topics: readonly string[]): Promise<MessageSubscription> {
    checkSubscription(types, topics);
    const wish = { messageTypes: [...new Set(types)], topics: [...new Set(topics)] };
    const subscriptionId = await idOf([wish.messageTypes.toSorted(), wish.topics.toSorted()]);
    const agentId = { type: agent.type, ...(agent.instance !== undefined && { instance: agent.instance }) };
    await this.#backend.commit({
      operations: [{
        type: "set",
        key: this.#keys.subscription(agent, subscriptionId),
        value: { v: 1, subscriptionId, agentId, ...wish },
      }],
    });
    return { subscriptionId, agentId, ...wish };
  }

  /** Removes a subscription and tells whether there was one. */
  async remove({ agentId, subscriptionId }: MessageSubscription): Promise<boolean> {
    const key = this.#keys.subscription(agentId, subscriptionId);
    const result = await this.#backend.commit({ operations: [{ type: "delete", key }] });
    // deno-coverage-ignore -- the compiler asks for it: a batch without checks is not refused
    const [deleted] = result.committed ? result.results : [];
    return deleted?.type === "delete" && deleted.existed;
  }

  /** All subscriptions, of one agent where it is named. */
  async *list(agent?: AgentId): AsyncGenerator<MessageSubscription> {
    const prefix = agent ? this.#keys.subscription(agent, "").slice(0, -1) : this.#keys.subscriptions();
    for await (const { value } of this.#backend.list(prefix)) {
      if (isSubscription(value)) yield value;
    }
  }

  /** The agents that want a broadcast, each once. */
  async matching({ messageType, topic }: BroadcastFilter): Promise<AgentId[]> {
    const agents = new Map<string, AgentId>();
    for await (const { agentId, messageTypes, topics } of this.list()) {
      const wanted = messageTypes.includes(messageType) &&
        (topics.length === 0 || (topic !== undefined && topics.includes(topic)));
      if (wanted) agents.set(JSON.stringify(this.#keys.mailbox(agentId)), agentId);
    }
    return [...agents.values()];
  }
}

/** The same for the same wish: a hash of its types and topics. */
async function idOf(wish: JsonValue): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify(wish)));
  return `sub_${Array.from(new Uint8Array(digest, 0, 12), (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

function isSubscription(value: JsonValue): value is JsonValue & MessageSubscription {
  return typeof value === "object" && value !== null && "v" in value && value.v === 1 && "subscriptionId" in value;
}
