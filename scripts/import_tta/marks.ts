/** Records of what was moved, written in one step with it: what makes an import restartable. @module */

import type { AgentId } from "../../src/messages/model.ts";
import { instanceOf } from "../../src/messages/model.ts";
import type { Batch, StorageBackend } from "../../src/storage/backend.ts";
import type { Key } from "../../src/storage/key.ts";

/** So long an import may be run again and moves nothing twice. */
export const MARK_RETENTION_MS = 30 * 86_400_000;

/** What was moved of one prefix into one namespace. */
export class Marks {
  readonly #backend: StorageBackend;
  readonly #root: Key;

  /** Marks below `namespace`. */
  constructor(backend: StorageBackend, namespace: Key, prefix: string) {
    this.#backend = backend;
    this.#root = [...namespace, "import", "tta", prefix];
  }

  /** The mark of one message. */
  message({ type, instance }: AgentId, id: string): Key {
    return [...this.#root, "message", type, instanceOf({ type, instance }), id];
  }

  /** The mark of an agent or a breaker. */
  record(kind: "agent" | "breaker", ...name: string[]): Key {
    return [...this.#root, kind, ...name];
  }

  /** Marks something, in one step with other writes; refused where it is marked already. */
  set(key: Key, value: string): Required<Pick<Batch, "checks" | "operations">> {
    return {
      checks: [{ key, version: null }],
      operations: [{ type: "set", key, value, expiresInMs: MARK_RETENTION_MS }],
    };
  }

  /** Whether something was moved. */
  async has(key: Key): Promise<boolean> {
    const [entry = null] = await this.#backend.get([key]);
    return entry !== null;
  }

  /** What was moved of a mailbox: identities by id. */
  async moved({ type, instance }: AgentId): Promise<Map<string, string>> {
    const moved = new Map<string, string>();
    for await (
      const { key, value } of this.#backend.list([...this.#root, "message", type, instanceOf({ type, instance })])
    ) {
      moved.set(key.at(-1) ?? "", String(value));
    }
    return moved;
  }
}
