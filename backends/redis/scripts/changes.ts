/** Lua: what has changed among the tracked records of a parent. @module */

import { PRELUDE } from "./prelude.ts";
import { KEPT_DELETIONS_MS, RECORDS } from "./records.ts";
import { script } from "./script.ts";

const PAGE = 1000;
// A page ends when it is so large, whatever the number of its records.
const PAGE_BYTES = 1_000_000;

/**
 * `ARGV`: the encoded parent; up to which moment its changes are known to the reader; and the moment at which the
 * reader began to read them all, of which it need not be told what was deleted before. Both empty where nothing is
 * known.
 *
 * Returns the time, whether the reader was known, whether there is more, both moments to go on with, how many keys were
 * deleted, these, then keys and records in turn. O(log n + k) for k changes.
 */
export const CHANGES = script(
  PRELUDE,
  RECORDS,
  `
local tracked, gone = queueKey('c', ARGV[1]), queueKey('g', ARGV[1])
local position, since = tonumber(ARGV[2]) or 0, tonumber(ARGV[3]) or 0
sweep(CHUNK)

-- Whatever comes later gets a later moment than this one. In a store where nothing happens it is moved on, since a
-- reader that was told of an old moment is taken for one that has slept.
local latest = marker and tonumber(string.sub(marker, 3, 18)) or 0
if latest < micros - 3600000000 then
  latest = tonumber(moment())
  remember()
end

local from = math.max(position, since)
local forgotten = math.max(tonumber(call('ZSCORE', gone, '') or 0), micros - ${KEPT_DELETIONS_MS} * 1000)
local isKnown = from >= forgotten and from <= latest
if not isKnown then position, since = 0, latest end

local deleted = {}
if isKnown then
  for _, key in ipairs(call('ZRANGEBYSCORE', gone, string.format('(%.0f', from), '+inf')) do
    if key ~= '' then deleted[#deleted + 1] = key end
  end
end

local found = call('ZRANGEBYSCORE', tracked, string.format('(%.0f', position), '+inf', 'WITHSCORES', 'LIMIT', 0, ${PAGE})
local records, size, more, reached = {}, 0, 0, latest
for index = 1, #found, 2 do
  local record = call('GET', recordKey(found[index]))
  if record then
    records[#records + 1] = found[index]
    records[#records + 1] = record
    size = size + #record
  end
  if index == ${2 * PAGE - 1} or (size > ${PAGE_BYTES} and index < #found - 1) then
    more, reached = 1, tonumber(found[index + 1])
    break
  end
end

local reply = {'ok', now, isKnown and 1 or 0, more, string.format('%.0f', reached), string.format('%.0f', since), #deleted}
for _, key in ipairs(deleted) do reply[#reply + 1] = key end
for _, each in ipairs(records) do reply[#reply + 1] = each end
return reply
`,
);
