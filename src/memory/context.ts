/** What the entries beside one in a conversation make of its score. @module */

import type { Conversations } from "./conversations.ts";
import { NEIGHBOUR_WEIGHTS } from "./ranking.ts";
import type { Scores } from "./scores.ts";

const [NEAR, FAR] = NEIGHBOUR_WEIGHTS;

/** Gives `smoothed` the scores of `entries` with shares of their neighbours', for places below `limit`. */
export function smooth(entries: Scores, smoothed: Scores, conversations: Conversations, limit: number): void {
  smoothed.reset(limit);
  // Either way gives the same. To look at every place is faster when most of them have a score.
  if (entries.size > limit / 8) gather(entries.values, smoothed, conversations, limit);
  else spread(entries, smoothed, conversations);
}

function gather(scores: Float64Array, smoothed: Scores, conversations: Conversations, limit: number): void {
  const before = conversations.before.values;
  const after = conversations.after.values;
  const { values, touched } = smoothed;
  // Place 0 has no score and no neighbours, so that it can stand for those which are not there.
  const score = (place: number) => scores[place] ?? 0;
  let count = 0;
  for (let place = 1; place < limit; place++) {
    const left = before[place] ?? 0;
    const right = after[place] ?? 0;
    const near = score(left) + score(right);
    const far = score(before[left] ?? 0) + score(after[right] ?? 0);
    const sum = score(place) + NEAR * near + FAR * far;
    if (sum === 0) continue;
    values[place] = sum;
    touched[count++] = place;
  }
  smoothed.size = count;
}

function spread(entries: Scores, smoothed: Scores, { before, after }: Conversations): void {
  for (const place of entries.places()) {
    const score = entries.values[place] ?? 0;
    smoothed.add(place, score);
    for (const side of [before, after]) {
      const near = side.at(place);
      if (near !== 0) smoothed.add(near, NEAR * score);
      const far = side.at(near);
      if (far !== 0) smoothed.add(far, FAR * score);
    }
  }
}
