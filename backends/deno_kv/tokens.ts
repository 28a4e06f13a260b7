/** Tokens of leases: they tell where the lease began, and in which order it was delivered. @module */

import type { Place } from "./layout.ts";

const INDEX_LENGTH = 3;

/** The token of the lease of a message that is put to a place as the one with this index. */
export function toToken({ rank, atMs }: Place, index: number): string {
  return `${rank}${String(index).padStart(INDEX_LENGTH, "0")}.${atMs}`;
}

/** Where the lease with this token began; `null` when it is no token of this backend. */
export function placeOf(token: string): Place | null {
  const [, rank, time] = /^([^.]+)\d{3}\.([\d.]+)$/.exec(token) ?? [];
  const atMs = Number(time);
  return rank === undefined || !Number.isFinite(atMs) ? null : { state: "leased", priority: 0, atMs, rank };
}
