/** Lua: what can be done with a lease, and messages that leave their queue. Before it comes settling. @module */

/** `held`, `remove`: O(k log n) for k leases. `retry`, `bury`, `extend`, `redrive`: O(log n). `purge`: see there. */
export const LEASES = `
-- The member of a leased message; a token says when and with which priority it was delivered.
local function leasedMember(token, id)
  return string.sub(token, 2, 18) .. id
end

-- Whether each of these tokens is that of a live lease.
local function held(queue, ids, tokens)
  local live = {}
  local first = call('ZRANGE', queue.leased, 0, 0, 'WITHSCORES')
  local someEnded = first[2] and tonumber(first[2]) <= now
  for position, state in ipairs(call('HMGET', queue.states, unpack(ids))) do
    local token = tokens[position]
    live[position] = state == token and string.byte(token) == 76 -- L
    if live[position] and someEnded then
      live[position] = tonumber(call('ZSCORE', queue.leased, leasedMember(token, ids[position]))) > now
    end
  end
  return live
end

-- Forgets messages that stand in no line and no sorted set any more.
local function remove(queue, ids)
  call('HDEL', queue.messages, unpack(ids))
  call('HDEL', queue.states, unpack(ids))
  call('HDEL', queue.errors, unpack(ids))
  if call('EXISTS', queue.messages) == 0 then call('ZREM', root .. ':queues', queue.name) end
end

local function acknowledge(queue, ids, tokens)
  local members = {}
  for position, id in ipairs(ids) do members[position] = leasedMember(tokens[position], id) end
  call('ZREM', queue.leased, unpack(members))
  remove(queue, ids)
end

-- An error as an argument is empty where there is none, and else stands behind a plus.
local function setError(queue, id, err)
  if err ~= '' then call('HSET', queue.errors, id, string.sub(err, 2)) end
end

local function bury(queue, id, token, err)
  local attempts, most = attemptsOf(token)
  local mark = moment() .. string.sub(token, 18, 18)
  call('ZREM', queue.leased, leasedMember(token, id))
  call('ZADD', queue.dead, now, mark .. id)
  call('HSET', queue.states, id, 'X' .. mark .. attempts .. '/' .. most)
  setError(queue, id, err)
end

-- Puts one message into the line.
local function lineUp(queue, id, priority, attempts, most)
  promote(queue)
  call('RPUSH', line(queue, priority), id)
  call('HSET', queue.states, id, 'R' .. now .. '.' .. attempts .. '/' .. most)
end

local function retry(queue, id, token, delay, err)
  local attempts, most = attemptsOf(token)
  if attempts >= most then
    bury(queue, id, token, err)
    return 'dead'
  end
  local priority = string.sub(token, 18, 18)
  call('ZREM', queue.leased, leasedMember(token, id))
  setError(queue, id, err)
  if delay == 0 then
    lineUp(queue, id, priority, attempts, most)
    return 'ready'
  end
  local mark = moment() .. priority
  call('ZADD', queue.delayed, now + delay, mark .. id)
  call('HSET', queue.states, id, 'D' .. mark .. attempts .. '/' .. most)
  return 'delayed'
end

local function extend(queue, id, token, lease)
  local ends = now + lease
  call('ZADD', queue.leased, ends, leasedMember(token, id))
  return ends
end

-- The state of a message that may be in any, false where it has none.
local function stateOf(queue, id)
  local state = call('HGET', queue.states, id)
  return state and string.sub(state, 1, 1), state
end

local function redrive(queue, id)
  local kind, state = stateOf(queue, id)
  if kind ~= 'X' then return 0 end
  local _, most = attemptsOf(state)
  call('ZREM', queue.dead, leasedMember(state, id))
  lineUp(queue, id, string.sub(state, 18, 18), 0, most)
  return 1
end

-- O(log n), but O(n) in the length of the line before a message that is ready: 1 ms at 100,000 messages, where a line
-- that forgets in O(log n) would make every send and claim slower by a quarter. Purging a whole line is O(1) for each.
local function purge(queue, id)
  local message = call('HGET', queue.messages, id)
  if not message then return 0 end
  local kind, state = stateOf(queue, id)
  if kind == 'D' then
    call('ZREM', queue.delayed, leasedMember(state, id))
  elseif kind == 'L' then
    call('ZREM', queue.leased, leasedMember(state, id))
  elseif kind == 'X' then
    call('ZREM', queue.dead, leasedMember(state, id))
  else
    promote(queue)
    call('LREM', line(queue, string.sub(message, 15, 15)), 1, id)
  end
  remove(queue, {id})
  return 1
end
`;
