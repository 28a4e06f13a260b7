/** Which servers there are: those that the caller named, and those that they named in turn. @module */

import type { RedisClient, RedisClusterClient } from "./driver.ts";

/** A server to connect to. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** A way to make a connection: with the client's own address, or with another. */
export interface Candidate {
  readonly client: RedisClient;
  readonly address: Address | null;
}

/** The most servers that are remembered; a cluster's are named anew at each connection. */
const MAX_LEARNED = 100;

/**
 * A namespace lies on one server: the primary, or in a cluster the one that has its slot. Which one that is changes at
 * a failover. A server that is not it says who is, or at least who else there is.
 */
export class Addresses {
  readonly #client: RedisClient | RedisClusterClient;
  #preferred: Address | null = null;
  #learned: readonly Address[] = [];
  /** Any node of a cluster: all are connected to in the same way. */
  #node: RedisClient | null = null;

  /** Begins with what the caller's client knows. */
  constructor(client: RedisClient | RedisClusterClient) {
    this.#client = client;
  }

  /** Names the server to try first from now on. */
  prefer(address: Address): void {
    this.#preferred = address;
  }

  /** Adds servers to try when the others fail. */
  learn(addresses: readonly Address[]): void {
    const known = new Map([...addresses, ...this.#learned].map((address) => [textOf(address), address]));
    this.#learned = [...known.values()].slice(0, MAX_LEARNED);
  }

  /** The next server to try in a round, in which those of `tried` were; adds it to them. `null` ends the round. */
  next(tried: Set<string>): Candidate | null {
    for (const candidate of this.#candidates()) {
      const text = candidate.address === null ? "" : textOf(candidate.address);
      if (tried.has(text)) continue;
      tried.add(text);
      return candidate;
    }
    return null;
  }

  /** A cluster's client that was not told to connect yet knows no nodes. */
  async start(): Promise<void> {
    if ("nodes" in this.#client && this.#client.status === "wait") await this.#client.connect().catch(() => {});
  }

  *#candidates(): Generator<Candidate> {
    const client = this.#client;
    if ("nodes" in client) {
      const nodes = client.nodes("all");
      this.learn(nodes.map(({ options: { host = "", port = 6379 } }) => ({ host, port })));
      // After an outage the cluster's client may know none any more.
      const node = this.#node = nodes[0] ?? this.#node;
      if (node === null) return;
      if (this.#preferred) yield { client: node, address: this.#preferred };
      for (const address of this.#learned) yield { client: node, address };
    } else {
      if (this.#preferred) yield { client, address: this.#preferred };
      yield { client, address: null };
      for (const address of this.#learned) yield { client, address };
    }
  }
}

function textOf({ host, port }: Address): string {
  return `${host}:${port}`;
}
