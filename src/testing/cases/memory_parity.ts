/** Cases: a search finds what its definition says, in that order, on whichever backend. @module */

import assert from "node:assert/strict";
import { Analyzer } from "../../memory/text.ts";
import type { ConformanceCase } from "../case.ts";
import { ManualClock } from "../manual_clock.ts";
import { randomIntegers } from "../random.ts";
import { type ReferenceEntry, type ReferenceHit, referenceSearch } from "../reference_search.ts";
import { memoryOn } from "./memory.ts";

const WORDS = ["heron", "herons", "otter", "otters", "rain", "rains", "raining", "river", "rivers", "boat", "the", "a"];
const ROUNDS = 6;
const WRITES_A_ROUND = 40;

/** Cases that hold every backend to the reference. */
export const memoryParityCases: readonly ConformanceCase[] = [1, 2, 3].map((seed) => ({
  name: `memory search: the same ids in the same order as the reference, with seed ${seed}`,
  run: async ({ backend }) => {
    const random = randomIntegers(seed * 7919);
    const clock = new ManualClock();
    const memory = () => memoryOn(backend, { namespace: [`${seed}`], clock });
    const [writer, reader] = [memory(), memory()];
    const model = new Map<string, ReferenceEntry>();
    const text = () => Array.from({ length: 1 + random(8) }, () => WORDS[random(WORDS.length)]).join(" ");
    let written = 0;
    for (let round = 0; round < ROUNDS; round++) {
      for (let write = 0; write < WRITES_A_ROUND; write++) {
        const talk = `talk${random(6)}`;
        const key = `${talk}:${random(8)}`;
        if (random(4) === 0) {
          await writer.delete(key);
          model.delete(key);
          continue;
        }
        const session = [undefined, undefined, talk, null][random(4)];
        clock.jump(1 + random(1000));
        const entry = { key, text: text(), order: ++written, updatedAtMs: clock.now() };
        await writer.add(key, { text: entry.text }, { order: written, ...(session !== undefined && { session }) });
        model.set(key, { ...entry, session: session === undefined ? talk : session, isImplied: session === undefined });
      }
      for (const memory of [reader, writer]) {
        const query = text() + ["", ".", " ra"][random(3)];
        const neighbours = [undefined, true, false][random(3)];
        const context = random(4) > 0;
        const halfLifeMs = [Infinity, 20_000][random(2)] ?? Infinity;
        const expected = referenceSearch([...model.values()], {
          text: query,
          context,
          neighbours: neighbours === undefined ? "given" : neighbours ? "all" : "none",
          halfLifeMs,
          nowMs: clock.now(),
        }, new Analyzer());
        const hits = await memory.search(query, {
          limit: 30,
          context,
          halfLifeMs,
          ...(neighbours !== undefined && { neighbours }),
        });
        assert.deepEqual(hits.map(({ key }) => key), expected.slice(0, 30).map(({ key }) => key), query);
        for (const [index, { score }] of hits.entries()) {
          assert.ok(Math.abs(score - (expected[index]?.score ?? 0)) < 1e-6, `the score of ${query}`);
        }
        const sessions = await memory.searchSessions(query, {
          limit: 30,
          context,
          halfLifeMs,
          ...(neighbours !== undefined && { neighbours }),
        });
        assert.deepEqual(sessions.map(({ session, best }) => [session, best.key]), referenceSessions(expected), query);
      }
    }
  },
}));

/** The sessions of what was found, each with its best entry, best first. */
function referenceSessions(hits: readonly ReferenceHit[]): (readonly [session: string, best: string])[] {
  const best = new Map<string, ReferenceHit>();
  for (const hit of hits) if (hit.session !== null && !best.has(hit.session)) best.set(hit.session, hit);
  const scoreOf = ({ score, sessionScore }: ReferenceHit) => Math.round((sessionScore + 1.5 * score) * 1e9) / 1e9;
  return [...best].sort(([, a], [, b]) => scoreOf(b) - scoreOf(a) || b.updatedAtMs - a.updatedAtMs)
    .map(([session, { key }]) => [session, key]);
}
