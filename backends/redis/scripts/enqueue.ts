/** Lua: messages into queues, each id once within its window. Before it come the prelude and settling. @module */

/** `known(queue, ids)` and `store(...)`: O(k) for k messages, O(k log n) where they are delayed. */
export const ENQUEUE = `
-- An id is remembered in a set for the half of a window in which it was accepted. Three halves cover a window.
local function bucketKey(queue, window, bucket)
  return root .. ':i:' .. window .. ':' .. bucket .. ':' .. queue.name
end

-- Whether the queue holds or remembers each of these ids.
local function known(queue, ids)
  local found = {}
  for position, message in ipairs(call('HMGET', queue.messages, unpack(ids))) do found[position] = message ~= false end
  queue.windows = queueKey('w', queue.name)
  local windows = call('HGETALL', queue.windows)
  queue.newest, queue.forgets = {}, 0
  for position = 1, #windows, 2 do
    local window, newest = windows[position], tonumber(windows[position + 1])
    local width = window / 2
    local current = math.floor(now / width)
    if newest < current - 2 then
      call('HDEL', queue.windows, window)
    else
      queue.newest[window] = newest
      queue.forgets = math.max(queue.forgets, math.ceil((newest + 3) * width))
      for bucket = current - 2, newest do
        for member, is in ipairs(call('SMISMEMBER', bucketKey(queue, window, bucket), unpack(ids))) do
          if is == 1 then found[member] = true end
        end
      end
    end
  end
  return found
end

-- Remembers accepted ids. known() has looked at this queue before.
local function note(queue, window, ids)
  if window == '0' then return end
  local width = window / 2
  local bucket = math.floor(now / width)
  local key = bucketKey(queue, window, bucket)
  call('SADD', key, unpack(ids))
  local newest = queue.newest[window]
  -- A clock that was set back may not make the newest bucket an older one, or looking would miss the newer.
  if newest and newest >= bucket then return end
  local forgets = math.ceil((bucket + 3) * width)
  call('PEXPIREAT', key, forgets)
  call('HSET', queue.windows, window, bucket)
  queue.newest[window] = bucket
  queue.forgets = math.max(queue.forgets, forgets)
  call('PEXPIREAT', queue.windows, queue.forgets)
end

-- How many messages are ready, delayed or leased.
local function live(queue)
  queue.size = call('HLEN', queue.messages)
  return queue.size - call('ZCARD', queue.dead)
end

-- Accepts messages. known() and live() have looked at this queue before.
local function store(queue, delay, window, ids, bodies)
  promote(queue)
  if queue.size == 0 then call('ZADD', root .. ':queues', 0, queue.name) end
  local messages, lists, states, delayed = {}, {}, {}, {}
  local accepted, due = nowText .. ' ', string.format('%.0f', now + delay)
  for position, id in ipairs(ids) do
    local body = bodies[position]
    local priority = string.sub(body, 1, 1)
    messages[2 * position - 1] = id
    messages[2 * position] = accepted .. body
    if delay > 0 then
      local mark = moment() .. priority
      states[2 * position - 1] = id
      states[2 * position] = 'D' .. mark .. '0/' .. string.match(body, '^%d+', 3)
      delayed[2 * position - 1] = due
      delayed[2 * position] = mark .. id
    else
      insert(lists, priority, id)
    end
  end
  call('HSET', queue.messages, unpack(messages))
  if delay > 0 then
    call('HSET', queue.states, unpack(states))
    call('ZADD', queue.delayed, unpack(delayed))
  else
    append(queue, lists)
  end
  note(queue, window, ids)
end
`;
