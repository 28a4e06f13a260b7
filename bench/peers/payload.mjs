/** What each message and each job carries, on both sides: about 200 bytes, as a short task would. @module */

export const PAYLOAD = {
  task: "summarize",
  document: "chapter-17",
  text: "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness.",
};
