/** Lua: live leases, and messages that leave their queue. Before it come settling and dedupe. @module */

/** `held(queue, ids, tokens)`, `acknowledge(...)` and `remove(queue, ids)`: O(k log n) for k leases or messages. */
export const LEASES = `
-- Whether each of these members is a live lease. Times are compared as text, all of them having 13 digits.
local function held(queue, members)
  local live = call('ZMSCORE', queue.leased, unpack(members))
  for position = 1, #members do live[position] = live[position] and live[position] > nowText end
  return live
end

-- Forgets messages that stand in no line and no sorted set any more, but for their ids: notes is a list of ids by note.
-- again lists those that may have a state or an error.
local function remove(queue, ids, notes, again)
  call('HDEL', queue.messages, unpack(ids))
  if #again > 0 then
    call('HDEL', queue.states, unpack(again))
    call('HDEL', queueKey('e', queue.name), unpack(again))
  end
  for note, some in pairs(notes) do recall(queue, note, some) end
  queue.mayBeEmpty = true
end

-- Called last: queues are listed while they hold a message.
local function unlist()
  for name, queue in pairs(opened) do
    if queue.mayBeEmpty and call('EXISTS', queue.messages) == 0 then call('ZREM', root .. ':queues', name) end
  end
end

local function acknowledge(queue, ids, members)
  local notes, again = {}, {}
  for position = 1, #ids do
    local id, member = ids[position], members[position]
    insert(notes, string.match(member, '^[^.]+%.([%d:]+)', 19), id)
    if string.byte(member, 18) == 65 then again[#again + 1] = id end -- A
  end
  call('ZREM', queue.leased, unpack(members))
  remove(queue, ids, notes, again)
end
`;
