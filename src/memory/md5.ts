/** The MD5 of a text, by RFC 1321: it names things, as in the Python original, and protects nothing. @module */

// How far each step turns its sum, four of them in turn for each round of sixteen.
const TURNS = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]] as const;

/** The parts of the message that the rounds take, by step: forwards, then in jumps of five, three and seven. */
const PARTS = [(n: number) => n, (n: number) => 5 * n + 1, (n: number) => 3 * n + 5, (n: number) => 7 * n] as const;

const MIXES = [
  (x: number, y: number, z: number) => (x & y) | (~x & z),
  (x: number, y: number, z: number) => (x & z) | (y & ~z),
  (x: number, y: number, z: number) => x ^ y ^ z,
  (x: number, y: number, z: number) => y ^ (x | ~z),
] as const;

const SINES = Array.from({ length: 64 }, (_, step) => Math.floor(2 ** 32 * Math.abs(Math.sin(step + 1))));

/** The MD5 of a text in UTF-8, as 32 hex digits. */
export function md5(text: string): string {
  const message = pad(new TextEncoder().encode(text));
  const state = new Uint32Array([0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476]);
  for (let start = 0; start < message.byteLength; start += 64) addBlock(state, message, start);
  const digest = new DataView(new ArrayBuffer(16));
  state.forEach((word, index) => digest.setUint32(4 * index, word, true));
  return Array.from(new Uint8Array(digest.buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The message, a one, zeros, and its length in bits: a multiple of 64 bytes. */
function pad(bytes: Uint8Array): DataView {
  const padded = new Uint8Array((Math.floor((bytes.length + 8) / 64) + 1) * 64);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setBigUint64(padded.length - 8, 8n * BigInt(bytes.length), true);
  return view;
}

function addBlock(state: Uint32Array, message: DataView, start: number): void {
  let [a = 0, b = 0, c = 0, d = 0] = state;
  for (const [round, mix] of MIXES.entries()) {
    for (let n = 0; n < 16; n++) {
      // deno-coverage-ignore -- the compiler asks for it: there are four rounds
      const part = message.getUint32(start + 4 * ((PARTS[round]?.(n) ?? 0) % 16), true);
      const sum = (a + mix(b, c, d) + part + (SINES[16 * round + n] ?? 0)) | 0;
      const turn = TURNS[round]?.[n % 4] ?? 0;
      [a, d, c, b] = [d, c, b, (b + ((sum << turn) | (sum >>> (32 - turn)))) | 0];
    }
  }
  for (const [index, word] of [a, b, c, d].entries()) state[index] = (state[index] ?? 0) + word;
}
