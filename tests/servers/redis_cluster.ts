/** A Redis Cluster of three primaries, and replicas where asked for, on the loopback address. @module */

import { until } from "../until.ts";
import { RedisServer } from "./redis.ts";

const SLOTS = 16384;
const PRIMARIES = 3;

/** Servers that form a cluster. */
export class RedisCluster implements AsyncDisposable {
  /** The servers that begin as primaries, each with a third of the slots. */
  readonly primaries: readonly RedisServer[];
  /** The servers that begin as replicas, in the order of their primaries; empty without replicas. */
  readonly replicas: readonly RedisServer[];

  private constructor(primaries: readonly RedisServer[], replicas: readonly RedisServer[]) {
    this.primaries = primaries;
    this.replicas = replicas;
  }

  /** Starts a cluster and waits until all of its servers agree on it. */
  static async start(options: { readonly replicas?: boolean } = {}): Promise<RedisCluster> {
    const count = options.replicas ? 2 * PRIMARIES : PRIMARIES;
    const servers: RedisServer[] = [];
    try {
      for (let index = 0; index < count; index++) {
        servers.push(await RedisServer.start("--cluster-enabled", "yes", "--cluster-node-timeout", "1000"));
      }
      const cluster = new RedisCluster(servers.slice(0, PRIMARIES), servers.slice(PRIMARIES));
      await cluster.#form();
      return cluster;
    } catch (error) {
      for (const server of servers) await server[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** All servers. */
  get servers(): readonly RedisServer[] {
    return [...this.primaries, ...this.replicas];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.servers) await server[Symbol.asyncDispose]();
  }

  async #form(): Promise<void> {
    const [first, ...others] = this.servers;
    if (first === undefined) return;
    for (const { port } of others) await first.command("CLUSTER", "MEET", "127.0.0.1", String(port));
    for (const [index, server] of this.primaries.entries()) {
      const [from, to] = [index, index + 1].map((third) => Math.round(third * SLOTS / PRIMARIES));
      await server.command("CLUSTER", "ADDSLOTSRANGE", String(from), String((to ?? 0) - 1));
    }
    await this.#untilAll("know each other", (info) => info.includes(`cluster_known_nodes:${this.servers.length}`));
    for (const [index, replica] of this.replicas.entries()) {
      const id = (await this.primaries[index]?.command("CLUSTER", "MYID"))?.split("\r\n")[1] ?? "";
      await until(
        "the replica follows",
        async () => (await replica.command("CLUSTER", "REPLICATE", id)).startsWith("+OK"),
      );
    }
    await this.#untilAll("serve all slots", (info) => info.includes("cluster_state:ok"));
    for (const replica of this.replicas) {
      const isUp = async () => (await replica.command("INFO", "replication")).includes("master_link_status:up");
      await until("the replica has its primary's data", isUp);
    }
  }

  async #untilAll(what: string, condition: (info: string) => boolean): Promise<void> {
    for (const server of this.servers) {
      await until(`all servers ${what}`, async () => condition(await server.command("CLUSTER", "INFO")));
    }
  }
}
