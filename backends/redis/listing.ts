/** The messages of a queue in one state, page by page. @module */

import type { MessageState, StoredMessage } from "../../src/storage/backend.ts";
import { encodeKey, type Key } from "../../src/storage/key.ts";
import type { Reply } from "./engine.ts";
import { CONTENTS, PLACES } from "./scripts/messages.ts";
import type { Script } from "./scripts/script.ts";
import { kindOf, type Place, readPlaces, readStoredMessage } from "./stored.ts";

const PLACES_PAGE = 1000;
const CONTENTS_PAGE = 500;
const CONTENTS_BYTES = "1000000";

/** How a listing asks: once all is settled, or at once. */
export interface ListingReads {
  readonly settled: (script: Script, args: readonly string[]) => Promise<Reply>;
  readonly read: (script: Script, args: readonly string[]) => Promise<Reply>;
}

/** Lists at most `limit` messages in the order of their state, none of them twice. */
export async function* listMessages(
  reads: ListingReads,
  queue: Key,
  state: MessageState,
  limit: number,
): AsyncGenerator<StoredMessage> {
  const name = encodeKey(queue);
  let from = [kindOf(state)];
  const seen = new Set<string>();
  // Where all changes places all the time, there would be more to read for ever: it ends when as much as twice all is
  // read.
  let unread = Infinity;
  while (limit > 0 && unread > 0) {
    const [kind = "", ...rest] = from;
    const args = [name, kind, String(Math.min(limit, PLACES_PAGE)), ...rest];
    const [total, next = "", last = "", at = "", ...found] = (await reads.settled(PLACES, args)).map(String);
    // What joins the state while the caller looks at the first messages makes the listing no longer.
    if (rest.length === 0) [limit, unread] = [Math.min(limit, Number(total)), 2 * Number(total)];
    const places = readPlaces(state, found).filter(({ id }) => !seen.has(id));
    for (const { id } of places) seen.add(id);
    yield* withContents(reads, queue, state, places.slice(0, limit));
    if (next === "") return;
    limit -= places.length;
    unread -= found.length / 3;
    from = [next, last, at];
  }
}

async function* withContents(
  { read }: ListingReads,
  queue: Key,
  state: MessageState,
  places: readonly Place[],
): AsyncGenerator<StoredMessage> {
  const name = encodeKey(queue);
  for (let start = 0; start < places.length;) {
    const page = places.slice(start, start + CONTENTS_PAGE);
    const contents = await read(CONTENTS, [name, CONTENTS_BYTES, ...page.map(({ id }) => id)]);
    for (const [index, place] of page.slice(0, contents.length / 2).entries()) {
      const [message, error] = contents.slice(2 * index, 2 * index + 2);
      if (typeof message !== "string") continue; // it has left the queue meanwhile
      yield readStoredMessage(queue, state, place, message, typeof error === "string" ? error : null);
    }
    start += contents.length / 2;
  }
}
