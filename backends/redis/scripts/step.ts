/** Lua: one round trip of commits and claims. A commit is all or nothing, and Redis cannot roll back. @module */

import { DEDUPE } from "./dedupe.ts";
import { ENQUEUE } from "./enqueue.ts";
import { LEASES } from "./leases.ts";
import { OPERATIONS } from "./operations.ts";
import { PRELUDE } from "./prelude.ts";
import { PURGE } from "./purge.ts";
import { RECORDS } from "./records.ts";
import { script } from "./script.ts";
import { SETTLE } from "./settle.ts";
import { SETTLEMENTS } from "./settlements.ts";

// The index follows so many expired records in a step that writes records: more than a commit can have written.
const SWEEP = 200;

/**
 * Does units of work one after the other: runs (many commits of one enqueue or acknowledgement each, or one commit of
 * many), batches of anything, and claims. `ARGV` is flat: until when (by the engine's time, in milliseconds) the step
 * is wanted, the command that wakes, a random text for tokens, then the units; `../units` write them and read the
 * replies. O(k log n) for k operations; nothing in it looks through a queue, but purging (see there).
 *
 * Within a unit everything is looked at first and changed then, so that what is refused has changed nothing.
 */
export const STEP = script(
  PRELUDE,
  SETTLE,
  DEDUPE,
  ENQUEUE,
  LEASES,
  `
if now > tonumber(ARGV[1]) then return {'late', now} end
local wakeCommand, random = ARGV[2], ARGV[3]
local cursor = 3

local function read()
  cursor = cursor + 1
  return ARGV[cursor]
end

-- The pairs that a run consists of.
local function readPairs(count)
  local left, right = {}, {}
  for position = 1, count do
    left[position] = ARGV[cursor + 1]
    right[position] = ARGV[cursor + 2]
    cursor = cursor + 2
  end
  return left, right
end

local topics = {}

-- What a run came to: empty where all went well, else a letter for each; in an atomic run, "!" and the first refused.
local function summary(flags, isPlain)
  return isPlain and '' or table.concat(flags)
end

local units = {}

units.enqueues = function()
  local atomic, count, queue = read() == '1', tonumber(read()), open(read())
  local delay, window, capacity = tonumber(read()), read(), tonumber(read())
  local ids, bodies = readPairs(count)
  local isKnown = known(queue, ids)
  local room = capacity - live(queue)
  local acceptedIds, acceptedBodies, flags, taken, isPlain = {}, {}, {}, {}, true
  for position = 1, count do
    local id = ids[position]
    if isKnown[position] or taken[id] then
      flags[position] = 'd'
      isPlain = false
    elseif room > 0 then
      room = room - 1
      taken[id] = true
      flags[position] = '.'
      acceptedIds[#acceptedIds + 1] = id
      acceptedBodies[#acceptedBodies + 1] = bodies[position]
    else
      if atomic then return '!' .. position - 1 end
      flags[position] = 'f'
      isPlain = false
    end
  end
  if #acceptedIds > 0 then
    store(queue, delay, window, acceptedIds, acceptedBodies)
    topics[queue.name] = true
  end
  return summary(flags, isPlain)
end

units.acks = function()
  local atomic, count, queue = read() == '1', tonumber(read()), open(read())
  local ids, members = readPairs(count)
  local liveIds, liveMembers, flags, taken, isPlain = {}, {}, {}, {}, true
  local live = held(queue, members)
  for position = 1, count do
    local id = ids[position]
    if live[position] and not taken[id] then
      taken[id] = true
      flags[position] = '.'
      liveIds[#liveIds + 1] = id
      liveMembers[#liveMembers + 1] = members[position]
    else
      if atomic then return '!' .. position - 1 end
      flags[position] = 'l'
      isPlain = false
    end
  end
  if #liveIds > 0 then acknowledge(queue, liveIds, liveMembers) end
  return summary(flags, isPlain)
end

units.claim = function()
  local queue, lease, limit = open(read()), tonumber(read()), tonumber(read())
  if not settle(queue) then return false end
  local ids, ranks = {}, {}
  for position = 1, #priorities do
    local priority = string.sub(priorities, position, position)
    local popped = call('LPOP', line(queue, priority), limit - #ids) or {}
    for index = 1, #popped do
      ids[#ids + 1] = popped[index]
      ranks[#ids] = priority
    end
    if #ids == limit then break end
  end
  if #ids == 0 then return {} end
  local ends = string.format('%.0f', now + lease)
  local reply, members, again, places, count = {ends}, {}, {}, {}, 0
  local states = call('EXISTS', queue.states) == 1 and call('HMGET', queue.states, unpack(ids)) or {}
  local messages = call('HMGET', queue.messages, unpack(ids))
  for position = 1, #ids do
    local id, message, flag, attempts = ids[position], messages[position], 'F', '1'
    if states[position] then
      flag, attempts = 'A', string.format('%d', string.match(states[position], '%.(%d+)') + 1)
      again[#again + 1] = id
      places[#again] = message and count
    end
    if message then
      count = count + 1
      local note, most = string.match(message, '^%d+ (%S+) %d (%d+)')
      if not note then note, most = '0:0', attempts end -- it is damaged
      local member = moment() .. ranks[position] .. flag .. attempts .. '/' .. most .. '.' .. note .. '.' .. random .. id
      members[2 * count - 1] = ends
      members[2 * count] = member
      reply[2 * count + 1] = member
      reply[2 * count + 2] = message
    else
      call('HDEL', queueKey('e', queue.name), id)
    end
  end
  reply[2] = count
  -- Of a message that the server has lost, there is only the place that it had.
  queue.mayBeEmpty = count < #ids
  if count > 0 then call('ZADD', queue.leased, unpack(members)) end
  if #again > 0 then
    call('HDEL', queue.states, unpack(again))
    for position, err in ipairs(call('HMGET', queueKey('e', queue.name), unpack(again))) do
      if err and places[position] then
        reply[#reply + 1] = places[position]
        reply[#reply + 1] = err
      end
    end
  end
  if count == 0 then return false end
  return reply
end

-- Made when it is needed: its many functions would cost every other step as much as half a dozen commands.
local function makeBatch()
`,
  RECORDS,
  SETTLEMENTS,
  PURGE,
  OPERATIONS,
  `
return function()
  local checks, ops, names = {}, {}, {}
  local checkCount, opCount, nameCount = tonumber(read()), tonumber(read()), tonumber(read())
  for position = 1, checkCount do checks[position] = {key = read(), version = read()} end
  for position = 1, opCount do
    local kind = operations[read()]
    ops[position] = {kind = kind, op = kind.read()}
  end
  for position = 1, nameCount do names[position] = read() end

  for position, check in ipairs(checks) do
    if (versionOf(check.key) or '') ~= check.version then return {'conflict', position - 1} end
  end
  local growth = {}
  leaving = {} -- a batch that was refused may have left some
  for position, each in ipairs(ops) do
    local reason = each.kind.check and each.kind.check(each.op, growth)
    if reason then return {reason, position - 1} end
  end
  local unknown = unknownLeases(ops)
  if #unknown > 0 then return {'unknown', unpack(unknown)} end

  local results = {'done'}
  for position, each in ipairs(ops) do results[position + 1] = each.kind.apply(each.op) end
  closeGaps()
  for _, name in ipairs(names) do topics[name] = true end
  return results
end, sweep
end

local batch, sweepRecords
units.batch = function()
  if not batch then batch, sweepRecords = makeBatch() end
  return batch()
end

local replies = {'ok', now}
while cursor < #ARGV do
  replies[#replies + 1] = units[read()]()
end
if sweepRecords then sweepRecords(${SWEEP}) end
unlist()
remember()
-- A hint: a user who may not publish has done all the rest, which an error would deny.
for topic in pairs(topics) do redis.pcall(wakeCommand, root .. ':t:' .. topic, '') end
return replies
`,
);
