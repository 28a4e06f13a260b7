/**
 * For those who write a backend, and for those who test what they build on one: the conformance suite, a clock that
 * stands still until it is moved, and group commit.
 *
 * @module
 */

export { backendConformance, type ConformanceOptions } from "./conformance.ts";
export type { ConformanceFixture } from "./case.ts";
export { ManualClock } from "./manual_clock.ts";
export { GroupCommit, type GroupCommitOptions } from "../storage/group_commit.ts";
