/** Lua: what else can be done with one lease or message. Part of the batch, behind the leases. @module */

/** `retry`, `bury`, `extend`, `redrive`: O(log n). `purge`: see there. */
export const SETTLEMENTS = `
-- An error as an argument is empty where there is none, and else stands behind a plus.
local function setError(queue, id, err)
  if err ~= '' then call('HSET', queueKey('e', queue.name), id, string.sub(err, 2)) end
end

local function bury(queue, id, token, err)
  local priority, attempts, most = parseLease(token)
  local mark = moment() .. priority
  call('ZREM', queue.leased, token .. id)
  call('ZADD', queue.dead, nowText, mark .. id)
  call('HSET', queue.states, id, 'X' .. mark .. attempts .. '/' .. most)
  setError(queue, id, err)
end

local function postpone(queue, id, priority, attempts, most, delay)
  local mark = moment() .. priority
  call('ZADD', queue.delayed, now + delay, mark .. id)
  call('HSET', queue.states, id, 'D' .. mark .. attempts .. '/' .. most)
end

-- Puts one message into the line.
local function lineUp(queue, id, priority, attempts, most)
  if not promote(queue) then return postpone(queue, id, priority, attempts, most, 0) end
  call('RPUSH', lineFor(queue, priority), id)
  call('HSET', queue.states, id, 'R' .. nowText .. '.' .. attempts .. '/' .. most)
end

local function retry(queue, id, token, delay, err)
  local priority, attempts, most = parseLease(token)
  if attempts >= most then
    bury(queue, id, token, err)
    return 'dead'
  end
  call('ZREM', queue.leased, token .. id)
  setError(queue, id, err)
  if delay == 0 then
    lineUp(queue, id, priority, attempts, most)
    return 'ready'
  end
  postpone(queue, id, priority, attempts, most, delay)
  return 'delayed'
end

local function extend(queue, id, token, lease)
  local ends = now + lease
  call('ZADD', queue.leased, ends, token .. id)
  return ends
end

-- The state of a message and its first letter, both false where it has none.
local function stateOf(queue, id)
  local state = call('HGET', queue.states, id)
  return state and string.sub(state, 1, 1), state
end

local function redrive(queue, id)
  local kind, state = stateOf(queue, id)
  if kind ~= 'X' then return 0 end
  call('ZREM', queue.dead, string.sub(state, 2, 18) .. id)
  lineUp(queue, id, string.sub(state, 18, 18), 0, string.match(state, '%d+$'))
  return 1
end

-- The member of the lease of a message. All are looked through, once for all messages that a script purges.
local function leaseOf(queue, id)
  if not queue.leases then
    queue.leases = {}
    for _, member in ipairs(call('ZRANGE', queue.leased, 0, -1)) do
      queue.leases[string.sub(member, string.match(member, '^[^:]+:%d+%.()', 19) + 22)] = member
    end
  end
  return queue.leases[id]
end

-- O(log n) for a delayed or dead message; for a ready or leased one O(k), k being how many stand before it. Those who
-- send, claim and acknowledge would pay a quarter more for a line and leases that can be left from anywhere in O(log
-- n); so who purges pays: 1 ms behind 100,000 ready messages, and next to nothing when a line is purged from its front.
local function purge(queue, id)
  local message = call('HGET', queue.messages, id)
  if not message then return 0 end
  local note, priority = string.match(message, '^%d+ (%S+) (%d)')
  local kind, state = stateOf(queue, id)
  if kind == 'D' then
    call('ZREM', queue.delayed, string.sub(state, 2, 18) .. id)
  elseif kind == 'X' then
    call('ZREM', queue.dead, string.sub(state, 2, 18) .. id)
  else
    promote(queue)
    if call('LREM', line(queue, priority), 1, id) == 0 then call('ZREM', queue.leased, leaseOf(queue, id)) end
  end
  remove(queue, {id}, {[note] = {id}}, {id})
  return 1
end
`;
