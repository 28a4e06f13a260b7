import { assert, assertEquals } from "@std/assert";
import { porterStem } from "../../src/memory/porter.ts";

// The examples of Porter's paper, step by step, as they come out of all steps.
const STEMS: Readonly<Record<string, string>> = {
  caresses: "caress",
  ponies: "poni",
  ties: "ti",
  cats: "cat",
  feed: "feed",
  agreed: "agre",
  plastered: "plaster",
  bled: "bled",
  motoring: "motor",
  sing: "sing",
  conflated: "conflat",
  troubled: "troubl",
  sized: "size",
  hopping: "hop",
  tanned: "tan",
  falling: "fall",
  hissing: "hiss",
  fizzed: "fizz",
  failing: "fail",
  filing: "file",
  happy: "happi",
  sky: "sky",
  relational: "relat",
  conditional: "condit",
  rational: "ration",
  digitizer: "digit",
  conformably: "conform",
  radically: "radic",
  differently: "differ",
  vietnamization: "vietnam",
  predication: "predic",
  operator: "oper",
  feudalism: "feudal",
  decisiveness: "decis",
  hopefulness: "hope",
  formality: "formal",
  sensitivity: "sensit",
  sensibility: "sensibl",
  triplicate: "triplic",
  formative: "form",
  formalize: "formal",
  electricity: "electr",
  electrical: "electr",
  goodness: "good",
  revival: "reviv",
  allowance: "allow",
  inference: "infer",
  airliner: "airlin",
  adjustable: "adjust",
  defensible: "defens",
  irritant: "irrit",
  replacement: "replac",
  adjustment: "adjust",
  dependent: "depend",
  adoption: "adopt",
  communism: "commun",
  activate: "activ",
  effective: "effect",
  bowdlerize: "bowdler",
  probate: "probat",
  rate: "rate",
  cease: "ceas",
  controlling: "control",
  rolling: "roll",
  connection: "connect",
  connections: "connect",
  connective: "connect",
  connected: "connect",
  psychology: "psycholog",
  syzygy: "syzygi",
  yes: "ye",
};

Deno.test("porterStem() gives the stems of the paper", () => {
  for (const [word, stem] of Object.entries(STEMS)) assertEquals(porterStem(word), stem, word);
});

Deno.test("porterStem() leaves short words, digits, capitals and other scripts alone", () => {
  for (const word of ["", "a", "is", "v2s", "Running", "straße", "конец", "3s"]) assertEquals(porterStem(word), word);
});

Deno.test("porterStem() takes no quadratic time", () => {
  const startedAt = performance.now();
  const many = "y".repeat(200_000);
  assertEquals(porterStem(`${many}ness`), many);
  assert(performance.now() - startedAt < 5000);
});
