/** Lua: every operation of a batch, as what it reads, requires and does. Part of the batch, and its last. @module */

/** `operations`, by type: each costs what it costs in the files for settlements, purging, enqueues and records. */
export const OPERATIONS = `
-- What each operation reads, requires and does. check() returns why it cannot be, or nothing; apply() returns the
-- result. growth is by how many live messages the operations before it change their queues.
local operations = {
  set = {
    read = function() return {key = read(), expiresIn = read(), tracked = read() == '1', value = read()} end,
    apply = function(op) return setRecord(op.key, op.value, op.expiresIn, op.tracked) end,
  },
  delete = {
    read = function() return {key = read()} end,
    apply = function(op) return deleteRecord(op.key) end,
  },
  enqueue = {
    read = function()
      return {queue = open(read()), delay = tonumber(read()), window = read(), capacity = tonumber(read()),
        id = read(), body = read()}
    end,
    check = function(op, growth)
      op.isKnown = known(op.queue, {op.id})[1]
      if op.isKnown then return end
      if live(op.queue) + (growth[op.queue] or 0) >= op.capacity then return 'full' end
      growth[op.queue] = (growth[op.queue] or 0) + 1
    end,
    apply = function(op)
      if op.isKnown then return 1 end
      live(op.queue)
      store(op.queue, op.delay, op.window, {op.id}, {op.body})
      topics[op.queue.name] = true
      return 0
    end,
  },
  ack = {
    read = function() return {queue = open(read()), id = read(), token = read()} end,
    check = function(op, growth)
      if not held(op.queue, {op.token .. op.id})[1] then return 'lease_lost' end
      growth[op.queue] = (growth[op.queue] or 0) - 1
    end,
    apply = function(op)
      acknowledge(op.queue, {op.id}, {op.token .. op.id})
      return 1
    end,
  },
  retry = {
    read = function()
      return {queue = open(read()), id = read(), token = read(), delay = tonumber(read()), err = read()}
    end,
    check = function(op, growth)
      if not held(op.queue, {op.token .. op.id})[1] then return 'lease_lost' end
      local _, attempts, most = parseLease(op.token)
      if attempts >= most then growth[op.queue] = (growth[op.queue] or 0) - 1 end
    end,
    apply = function(op)
      topics[op.queue.name] = true
      return retry(op.queue, op.id, op.token, op.delay, op.err)
    end,
  },
  bury = {
    read = function() return {queue = open(read()), id = read(), token = read(), err = read()} end,
    check = function(op, growth)
      if not held(op.queue, {op.token .. op.id})[1] then return 'lease_lost' end
      growth[op.queue] = (growth[op.queue] or 0) - 1
    end,
    apply = function(op)
      bury(op.queue, op.id, op.token, op.err)
      return 1
    end,
  },
  extend = {
    read = function() return {queue = open(read()), id = read(), token = read(), lease = tonumber(read())} end,
    check = function(op)
      if not held(op.queue, {op.token .. op.id})[1] then return 'lease_lost' end
    end,
    apply = function(op) return extend(op.queue, op.id, op.token, op.lease) end,
  },
  redrive = {
    read = function() return {queue = open(read()), id = read()} end,
    check = function(op, growth)
      if stateOf(op.queue, op.id) == 'X' then growth[op.queue] = (growth[op.queue] or 0) + 1 end
    end,
    apply = function(op)
      topics[op.queue.name] = true
      return redrive(op.queue, op.id)
    end,
  },
  purge = {
    read = function() return {queue = open(read()), id = read(), token = read()} end,
    check = function(op, growth)
      findPurged(op)
      if op.note and op.state ~= 'X' then growth[op.queue] = (growth[op.queue] or 0) - 1 end
    end,
    apply = purge,
  },
}
`;
