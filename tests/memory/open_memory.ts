/** A memory on a backend that a test may let fail, and a model of meanings for it. @module */

import { MemoryBackend } from "../../backends/memory.ts";
import { Memory, type MemoryOptions } from "../../src/memory/memory.ts";
import type { Embedder } from "../../src/memory/model.ts";
import type { StorageBackend } from "../../src/storage/backend.ts";
import { ManualClock } from "../../src/testing/manual_clock.ts";
import { standIn } from "../storage/stand_in.ts";

/** Where the memory of {@linkcode openMemory} says that it is. */
export const MEMORY_INFO = { backend: "memory", usingRedis: false, fallbackAvailable: false, reason: null, pending: 0 };

/** A memory with what a test takes hold of it by. */
export interface OpenMemory {
  readonly memory: Memory;
  readonly clock: ManualClock;
  /** What stands in for methods of the backend. */
  readonly methods: Partial<StorageBackend>;
  /** The backend itself. */
  readonly inner: MemoryBackend;
}

/** A memory, and a backend whose methods the test may replace. */
export function openMemory(options: MemoryOptions = {}): OpenMemory {
  const clock = new ManualClock();
  const methods: Partial<StorageBackend> = {};
  const inner = new MemoryBackend({ clock });
  const backend = standIn(inner, methods);
  const source = { open: () => Promise.resolve(backend), info: () => MEMORY_INFO, close: () => inner.close() };
  return { clock, methods, inner, memory: new Memory(source, { clock, ...options }) };
}

/** Meanings of two dimensions: cats and dogs. */
export const TWO_WORDS: Embedder = {
  dimensions: 2,
  embed: (texts) => texts.map((text) => [text.includes("cat") ? 1 : 0, text.includes("dog") ? 1 : 0]),
};
