/** Waiting by a condition, with a bound, instead of sleeping. @module */

/** Waits until `condition` holds, and fails with `what` when it does not in time. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  limitMs = 15_000,
): Promise<void> {
  const deadline = Date.now() + limitMs;
  while (!await condition()) {
    if (Date.now() > deadline) throw new Error(`Cannot see within ${limitMs} ms that ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
