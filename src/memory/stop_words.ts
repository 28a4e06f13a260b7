/** English words that stand in nearly every text and tell little about it. @module */

/** Left out by default, before stemming; apostrophes are gone by then. */
export const ENGLISH_STOP_WORDS: ReadonlySet<string> = new Set(
  `a about above after again against all also although am among an and any are as at be because been before being below
  between both but by can cannot could did do does doing done down during each either else every few for from further had
  has have having he hence her here hers herself him himself his how however i if in into is it its itself just may me
  might more most must my myself neither no nor not now of off on once only or other our ours ourselves out over own per
  same shall she should since so some such than that the their theirs them themselves then there therefore these they
  this those though through thus to too under until up upon us very via was we were what when where whether which while
  who whom whose why will with within without would yet you your yours yourself yourselves
  arent cant couldnt didnt doesnt dont hadnt hasnt havent isnt lets shouldnt wasnt werent wont wouldnt`.split(/\s+/),
);
