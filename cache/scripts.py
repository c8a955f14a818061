"""What Redis does for the shared cache in one step each, in Lua. Redis alone knows what is kept.

    e:EXACT     an entry; its first line is when it was made, its `similar` scope or -, its sources
    s:SOURCE    the entries that stand on a source, by when they end
    t:SOURCE    the same of a retired source, until they are cleared away
    q:SIMILAR   the questions of a scope: exact key → record; `:epoch` and `:seq` of its changes
    l:SIMILAR   the same keys by the number of the change that added them

Any of these keys may be gone at any time, since Redis evicts by itself. An entry counts only while
all its sources know it: where a source's list was lost, nothing is found that could not be retired.
All keys share a hash tag, so one node of a cluster holds them and each script sees them at once.
"""

from __future__ import annotations

_COMMON = """
local base = ARGV[1]

local function head(raw)
  local words = {}
  for word in string.gmatch(string.match(raw, '^[^\\n]*'), '%S+') do words[#words + 1] = word end
  return words
end

local function drop_question(similar, exact)
  redis.call('HDEL', base .. 'q:' .. similar, exact)
  redis.call('ZREM', base .. 'l:' .. similar, exact)
end

local function forget(exact)
  local raw = redis.call('GET', base .. 'e:' .. exact)
  if not raw then return 0 end
  local words = head(raw)
  for i = 3, #words do redis.call('ZREM', base .. 's:' .. words[i], exact) end
  if words[2] then drop_question(words[2], exact) end
  return redis.call('UNLINK', base .. 'e:' .. exact)
end
"""

READ = f"""{_COMMON}
-- base, similar or '', exact keys: their entries. What is not whole is dropped.
local similar, found = ARGV[2], {{}}

local function stands(raw, exact)
  local words = head(raw)
  for i = 3, #words do
    if not redis.call('ZSCORE', base .. 's:' .. words[i], exact) then return false end
  end
  return true
end

for i = 3, #ARGV do
  local exact = ARGV[i]
  local raw = redis.call('GET', base .. 'e:' .. exact)
  if raw and not stands(raw, exact) then
    forget(exact)
    raw = false
  end
  if not raw and similar ~= '' then drop_question(similar, exact) end
  found[#found + 1] = raw
end
return found
"""

FILL = f"""{_COMMON}
-- base, exact, similar, entry, milliseconds, now, end, record or '', most questions, epoch, sources
local exact, similar, ttl, now, ends = ARGV[2], ARGV[3], ARGV[5], ARGV[6], ARGV[7]
local record, most = ARGV[8], tonumber(ARGV[9])

local function live_on(key)  -- as long as the longest-lived of what is in it
  if redis.call('PTTL', key) < tonumber(ttl) then redis.call('PEXPIRE', key, ttl) end
end

local function ask()
  local q, l = base .. 'q:' .. similar, base .. 'l:' .. similar
  -- Where one of the two was evicted, both begin anew, and mirrors see another epoch.
  local whole = redis.call('HEXISTS', q, ':epoch') == 1
  if not whole or redis.call('HLEN', q) - 2 ~= redis.call('ZCARD', l) then
    redis.call('UNLINK', q, l)
    redis.call('HSET', q, ':epoch', ARGV[10], ':seq', 0)
  end
  redis.call('HSET', q, exact, record)
  redis.call('ZADD', l, redis.call('HINCRBY', q, ':seq', 1), exact)
  local extra = redis.call('ZCARD', l) - most
  for i, oldest in ipairs(redis.call('ZRANGE', l, 0, math.max(3, math.min(extra, 1000) - 1))) do
    local over = struct.unpack('<d', redis.call('HGET', q, oldest)) < tonumber(now)
    if over or i <= extra then drop_question(similar, oldest) end
  end
  live_on(q)
  live_on(l)
end

forget(exact)
redis.call('SET', base .. 'e:' .. exact, ARGV[4], 'PX', ttl)
for i = 11, #ARGV do
  local standing = base .. 's:' .. ARGV[i]
  redis.call('ZREMRANGEBYSCORE', standing, '-inf', now)
  redis.call('ZADD', standing, ends, exact)
  live_on(standing)
end
if record ~= '' then ask() end
"""

RETIRE = f"""{_COMMON}
-- base, most, sources: how many entries were cleared away that stood on one of them, and whether
-- more are left. None of them is found any more either way, since no source knows it.
local gone, most = 0, tonumber(ARGV[2])

local function clear(source, retired)
  local popped = redis.call('ZPOPMIN', retired, most)
  for i = 1, #popped, 2 do
    most = most - 1
    local raw = redis.call('GET', base .. 'e:' .. popped[i])
    for at, word in ipairs(raw and head(raw) or {{}}) do  -- It may have been filled anew since.
      if at > 2 and word == source then
        gone = gone + forget(popped[i])
        break
      end
    end
  end
end

local left = 0
for i = 3, #ARGV do
  local standing, retired = base .. 's:' .. ARGV[i], base .. 't:' .. ARGV[i]
  if redis.call('EXISTS', retired, standing) == 2 then
    redis.call('ZUNIONSTORE', retired, 2, retired, standing)
    redis.call('UNLINK', standing)
  elseif redis.call('EXISTS', standing) == 1 then
    redis.call('RENAME', standing, retired)
  end
  if most > 0 then clear(ARGV[i], retired) end
  left = left + redis.call('EXISTS', retired)
end
return {{gone, left}}
"""

FORGET = f"""{_COMMON}
-- base, exact keys: how many were there.
local gone = 0
for i = 2, #ARGV do gone = gone + forget(ARGV[i]) end
return gone
"""

RENEW = f"""{_COMMON}
-- base, exact, when it was made, its sources, what follows the first line: in an equal one's place.
local name = base .. 'e:' .. ARGV[2]
local old = redis.call('GET', name)
if not old then return end
local words = head(old)
if words[1] == ARGV[3] and table.concat(words, ' ', 3) == ARGV[4] then
  redis.call('SET', name, string.match(old, '^[^\\n]*') .. '\\n' .. ARGV[5], 'KEEPTTL')
end
"""

CHANGES = """
-- base, similar, epoch, after, most: what was added to a scope since, in order; from the beginning
-- where this is another epoch, or one in which less has happened (a Redis that was put back).
local q, l = ARGV[1] .. 'q:' .. ARGV[2], ARGV[1] .. 'l:' .. ARGV[2]
local epoch, seq = unpack(redis.call('HMGET', q, ':epoch', ':seq'))
if not epoch then return {} end
local after = ARGV[4]
if epoch ~= ARGV[3] or tonumber(after) > tonumber(seq) then after = '0' end
local keys = redis.call('ZRANGEBYSCORE', l, '(' .. after, '+inf', 'LIMIT', 0, ARGV[5])
local records, upto = {}, seq
if #keys > 0 then records = redis.call('HMGET', q, unpack(keys)) end
if #keys == tonumber(ARGV[5]) then upto = redis.call('ZSCORE', l, keys[#keys]) end
return {epoch, after, upto, seq, redis.call('ZCARD', l), keys, records}
"""

ALL = (READ, FILL, RETIRE, FORGET, RENEW, CHANGES)
