/** Keeps a memory in Redis, and in this process while Redis is away. @module */

import type { CompositeBackend, RouteStatus } from "../backends/composite.ts";
import { MemoryBackend } from "../backends/memory.ts";
import type { Clock } from "../src/clock.ts";
import { BackendClosedError, CoordinationError } from "../src/errors.ts";
import type { MemorySource } from "../src/memory/memory.ts";
import type { MemoryBackendInfo } from "../src/memory/model.ts";
import type { StorageBackend } from "../src/storage/backend.ts";

// So long a call waits for Redis before the memory goes on in this process.
const TIMEOUT_MS = 2000;

/** Where a memory is kept that was given the URL of a Redis server. */
export class RedisSource implements MemorySource {
  readonly #url: string;
  readonly #log: (message: string) => void;
  readonly #clock: Clock;
  #opening: Promise<StorageBackend> | null = null;
  #router: CompositeBackend | null = null;
  #reason = "no call was made yet";
  #hasLogged = false;
  #hasServed = false;
  #closed = false;

  /** Connects to nothing before the first call. */
  constructor(url: string, log: (message: string) => void, clock: Clock) {
    this.#url = url;
    this.#log = log;
    this.#clock = clock;
  }

  /** Makes one attempt to reach Redis, the first time. Memories within this one may ask when it is closed. */
  open(): Promise<StorageBackend> {
    if (this.#closed) return Promise.reject(new BackendClosedError("memory"));
    return this.#opening ??= this.#open().catch((error) => {
      this.#opening = null;
      throw error;
    });
  }

  info(): Omit<MemoryBackendInfo, "namespace"> {
    const status = this.#status;
    const usingRedis = status?.serving === "primary";
    return {
      backend: usingRedis ? status.backend : "memory",
      usingRedis,
      fallbackAvailable: true,
      reason: usingRedis ? null : status?.reason ?? this.#reason,
      pending: status?.journalled ?? 0,
    };
  }

  /** Before Redis has ever served, this process is all there is. */
  mayMiss(): boolean {
    return this.#hasServed && this.#status?.serving !== "primary";
  }

  async close(): Promise<void> {
    this.#closed = true;
    const backend = await this.#opening?.catch(() => null);
    const lost = this.#status?.journalled ?? 0;
    if (lost > 0) this.#log(`Redis was away until the memory was closed: ${lost} writes never got there`);
    await backend?.close();
  }

  get #status(): RouteStatus | undefined {
    return this.#router?.status()[0];
  }

  async #open(): Promise<StorageBackend> {
    const { RedisBackend } = await import("../backends/redis.ts");
    const { CompositeBackend } = await import("../backends/composite.ts");
    const router = new CompositeBackend({
      default: {
        backend: new RedisBackend({ url: this.#url, commandTimeoutMs: TIMEOUT_MS }),
        fallback: new MemoryBackend({ clock: this.#clock }),
      },
      clock: this.#clock,
    });
    router.onStatus((status) => this.#note(status));
    try {
      await router.get([["memory"]]);
    } catch (error) {
      await router.close();
      if (!(error instanceof CoordinationError) || error.code !== "DRIVER_MISSING") throw error;
      this.#tell(error.message);
      return new MemoryBackend({ clock: this.#clock });
    }
    this.#router = router;
    this.#hasServed ||= this.#status?.serving === "primary";
    return router;
  }

  #note({ serving, reason }: RouteStatus): void {
    if (serving === "primary") this.#hasServed = true;
    if (serving === "fallback") this.#tell(reason);
  }

  #tell(reason: string): void {
    this.#reason = reason;
    if (this.#hasLogged) return;
    this.#hasLogged = true;
    this.#log(`The memory is kept in this process until Redis can be used: ${reason}`);
  }
}
