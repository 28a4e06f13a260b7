/** A way to the store at which a test can let something else happen between a call and its effect. @module */

import type { Batch, CommitResult, Entry } from "../../src/storage/backend.ts";
import type { Key } from "../../src/storage/key.ts";
import { WatchedBackend } from "../../src/testing/watched_backend.ts";

/** What happens in between, once. */
export type Interruption = () => Promise<unknown>;

/** Each interruption waits for the first call that it is meant for. */
export class Interrupted extends WatchedBackend {
  /** Before a read that asks for a key with this part. */
  beforeGet: { readonly part: string; readonly run: Interruption } | null = null;
  /** Before a commit whose operations name this. */
  beforeCommit: { readonly text: string; readonly run: Interruption } | null = null;
  /** After such a commit, before its caller learns of it. */
  afterCommit: { readonly text: string; readonly run: Interruption } | null = null;

  override async get(keys: readonly Key[]): Promise<(Entry | null)[]> {
    const { beforeGet } = this;
    if (beforeGet && keys.some((key) => key.includes(beforeGet.part))) {
      this.beforeGet = null;
      await beforeGet.run();
    }
    return await super.get(keys);
  }

  override async commit(batch: Batch): Promise<CommitResult> {
    const text = JSON.stringify(batch.operations);
    const { beforeCommit, afterCommit } = this;
    if (beforeCommit && text.includes(beforeCommit.text)) {
      this.beforeCommit = null;
      await beforeCommit.run();
    }
    const result = await super.commit(batch);
    if (afterCommit && text.includes(afterCommit.text)) {
      this.afterCommit = null;
      await afterCommit.run();
    }
    return result;
  }
}
