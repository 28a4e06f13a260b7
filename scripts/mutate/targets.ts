/** The pure parts that are held to mutation testing, and the tests that must notice a fault in each. @module */

/** A source file and the tests that are about it, the quickest first. */
export interface Target {
  readonly file: string;
  readonly tests: readonly string[];
}

const RANKER_TESTS = ["tests/memory/rank_sessions_test.ts", "tests/memory/ranker_test.ts"];
const RANKING_TESTS = ["tests/memory/ranking_test.ts", ...RANKER_TESTS];

/** Every file of them. `src/memory/ranker.ts`, which puts the formulas to use, is not held to it yet. */
export const TARGETS: readonly Target[] = [
  { file: "src/storage/key.ts", tests: ["tests/storage/key_test.ts"] },
  { file: "src/storage/json.ts", tests: ["tests/storage/json_test.ts"] },
  { file: "src/storage/group_commit.ts", tests: ["tests/storage/group_commit_test.ts"] },
  { file: "src/resilience/backoff.ts", tests: ["tests/resilience/backoff_test.ts"] },
  { file: "src/resilience/breaker_state.ts", tests: ["tests/resilience/breaker_state_test.ts"] },
  { file: "src/resilience/trip_rule.ts", tests: ["tests/resilience/trip_rule_test.ts"] },
  { file: "src/memory/ranking.ts", tests: RANKING_TESTS },
  { file: "src/memory/best.ts", tests: RANKING_TESTS },
  { file: "src/memory/scores.ts", tests: RANKING_TESTS },
  { file: "src/memory/context.ts", tests: RANKING_TESTS },
];
