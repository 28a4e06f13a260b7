/** Lua: messages into queues. Before it come settling and dedupe. @module */

/** `live(queue)`, `store(...)`: O(k) for k messages, O(k log n) where they are delayed. */
export const ENQUEUE = `
-- How many messages are ready, delayed or leased.
local function live(queue)
  queue.size = call('HLEN', queue.messages)
  return queue.size - call('ZCARD', queue.dead)
end

-- Accepts messages. live() has looked at this queue before.
local function store(queue, delay, window, ids, bodies)
  local isDelayed = not promote(queue) or delay > 0
  if queue.size == 0 then call('ZADD', root .. ':queues', 0, queue.name) end
  local messages, lists, states, delayed = {}, {}, {}, {}
  local accepted, due = nowText .. ' ' .. noteOf(window) .. ' ', string.format('%.0f', now + delay)
  for position = 1, #ids do
    local id, body = ids[position], bodies[position]
    local priority = string.sub(body, 1, 1)
    messages[2 * position - 1] = id
    messages[2 * position] = accepted .. body
    if isDelayed then
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
  if isDelayed then
    call('HSET', queue.states, unpack(states))
    call('ZADD', queue.delayed, unpack(delayed))
  else
    append(queue, lists)
  end
end
`;
