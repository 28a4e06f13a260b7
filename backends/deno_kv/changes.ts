/** What has changed among tracked records: a log of numbered changes, the last one of each record. @module */

import type { Changes } from "../../src/storage/backend.ts";
import { decodeKey } from "../../src/storage/key.ts";
import { decodeChange, decodeFeed } from "./codec.ts";
import type { Parts } from "./parts.ts";
import type { Records } from "./records.ts";

/** How long the engine keeps deletions, for those who have read what was before. */
export const DELETIONS_KEPT_MS = 3_600_000;

// Who has not read for longer begins from the start: by then the engine, whose clock is another, may have deleted some.
const MAX_PAUSE_MS = DELETIONS_KEPT_MS / 2;

const PAGE_SIZE = 500;

/** Reads the changes of a parent behind a cursor. */
export async function readChanges(
  parts: Parts,
  records: Records,
  parent: string,
  after: string | undefined,
): Promise<Changes> {
  const { engine, layout, clock } = parts;
  const deadlineMs = engine.deadline();
  const nowMs = clock.now();
  const [head] = await engine.read([layout.feed(parent)], deadlineMs);
  if (!head || head.versionstamp === null) {
    return { entries: [], deleted: [], cursor: "", more: false, reset: true, nowMs };
  }
  const { epoch, last } = decodeFeed(head.value);
  const [, known, position = NaN, readAtMs = NaN] = /^([\w-]+)\.(\d{1,15})\.(\d{1,15})$/.exec(after ?? "") ?? [];
  const isKnown = known === epoch && Number(position) <= last && Math.abs(nowMs - Number(readAtMs)) < MAX_PAUSE_MS;
  const start = isKnown ? Number(position) : 0;
  const page = await engine.page(layout.changes(parent, start, last), { limit: PAGE_SIZE }, deadlineMs);
  const changes = page.map(({ key, value }) => ({ number: Number(key.at(-1)), ...decodeChange(value) }));
  const more = page.length === PAGE_SIZE;
  // deno-coverage-ignore -- the compiler asks for it: a full page has a last row
  const end = more ? changes.at(-1)?.number ?? last : last;
  const deletions = isKnown ? changes.filter(({ isDeletion }) => isDeletion) : [];
  return {
    entries: await records.changed(changes.filter(({ isDeletion }) => !isDeletion), deadlineMs),
    deleted: deletions.map(({ key }) => decodeKey(key)),
    cursor: `${epoch}.${end}.${Math.floor(nowMs)}`,
    more,
    reset: !isKnown,
    nowMs,
  };
}
