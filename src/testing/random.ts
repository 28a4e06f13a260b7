/** Numbers by chance that a seed decides: D. H. Lehmer's generator, as S. K. Park and K. W. Miller set it. @module */

const MULTIPLIER = 48_271;
const MODULUS = 2_147_483_647;

/** Makes a source of fractions between 0 and 1; the seed is a whole number above 0. */
export function randomFractions(seed: number): () => number {
  const next = states(seed);
  return () => next() / MODULUS;
}

/** Makes a source of whole numbers from 0 to below a bound; the seed is a whole number above 0. */
export function randomIntegers(seed: number): (below: number) => number {
  const next = states(seed);
  return (below) => next() % below;
}

function states(seed: number): () => number {
  let state = seed;
  return () => state = state * MULTIPLIER % MODULUS;
}
