/** The pure parts that are held to mutation testing, and the tests that must notice a fault in each. @module */

/** A source file and the tests that are about it, the quickest first. */
export interface Target {
  readonly file: string;
  readonly tests: readonly string[];
}

const RANKER_TESTS = ["tests/memory/rank_sessions_test.ts", "tests/memory/ranker_test.ts"];

/** Every file of them. */
export const TARGETS: readonly Target[] = [
  { file: "src/storage/key.ts", tests: ["tests/storage/key_test.ts"] },
  { file: "src/storage/json.ts", tests: ["tests/storage/json_test.ts"] },
  { file: "src/storage/group_commit.ts", tests: ["tests/storage/group_commit_test.ts"] },
  { file: "src/storage/bag.ts", tests: ["tests/storage/bag_test.ts"] },
  { file: "src/messages/message_check.ts", tests: ["tests/messages/check_message_test.ts"] },
  { file: "src/resilience/backoff.ts", tests: ["tests/resilience/backoff_test.ts"] },
  { file: "src/resilience/breaker_state.ts", tests: ["tests/resilience/breaker_state_test.ts"] },
  { file: "src/resilience/trip_rule.ts", tests: ["tests/resilience/trip_rule_test.ts"] },
  {
    file: "src/memory/ranking.ts",
    tests: ["tests/memory/ranking_test.ts", "tests/memory/context_test.ts", ...RANKER_TESTS],
  },
  { file: "src/memory/best.ts", tests: ["tests/memory/best_test.ts"] },
  { file: "src/memory/scores.ts", tests: ["tests/memory/scores_test.ts"] },
  { file: "src/memory/context.ts", tests: ["tests/memory/context_test.ts"] },
  { file: "src/memory/ranker.ts", tests: RANKER_TESTS },
  { file: "src/memory/keyword_score.ts", tests: ["tests/memory/keyword_score_test.ts", ...RANKER_TESTS] },
];
