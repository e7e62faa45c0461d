"""The steps that must be one in Redis, as Lua scripts over a key's *value* and its *lease*.

A lease is the right to store a value that was loaded. Whoever finds no value is given the key's lease, or makes it,
before the load; a delete or a write takes it away, and so do a flush, an eviction and time, for a value is stored only
while the lease is still there. The first letter of a lease says what it is:

- `s`: shared. Everybody who misses loads, and may store.
- `x`: exclusive. The one who made it loads, and the others wait; it is gone when the value is stored.
- `!`: the load under the exclusive lease of that name has failed. This is told to those who waited for it; to everybody
  else there is no lease.
- `v`: the version of a value that was written through; a writer of an older version comes too late. It lasts as long as
  the value, and is shared.

They are sent whole (`EVAL`): they are short, and a server that has forgotten them costs no second round trip.
"""

__all__ = ["LEASES", "LOOK", "PUT", "PUT_IF_NEWER", "RELEASE", "RENEW", "STORE"]

LEASES = b"cachesim-lease:"
"""What the keys of leases begin with."""

LOOK = """
-- KEYS: value, lease. ARGV: who makes a lease, its number, its ms, "", "peek" or "claim", the lease waited for or "".
local value = redis.call('GET', KEYS[1])
if value and ARGV[4] == '' then return value end
local lease = redis.call('GET', KEYS[2])
if value and ARGV[4] == 'peek' then return {value, lease} end
local kind = lease and string.sub(lease, 1, 1)
if not lease or (kind == '!' and lease ~= '!' .. ARGV[5]) then
  lease = ARGV[1] .. ARGV[2]
  redis.call('SET', KEYS[2], lease, 'PX', ARGV[3])
elseif (kind == 's' or kind == 'v') and redis.call('PTTL', KEYS[2]) < tonumber(ARGV[3]) then
  redis.call('PEXPIRE', KEYS[2], ARGV[3])
end
return {value, lease}
"""
"""The value, if there is one and no more is asked for; else the value and its lease.

"peek" asks for the lease that there is; "claim", and the lack of a value, for one that is made if need be.
"""

STORE = """
-- KEYS: value, lease. ARGV: the lease, the value, its ms.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
if string.sub(ARGV[1], 1, 1) == 'x' then redis.call('DEL', KEYS[2]) end
return 1
"""
"""Keep a loaded value if its lease is still there; 1 if so, else 0."""

PUT = """
-- KEYS: value, lease. ARGV: the value, its ms.
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('DEL', KEYS[2])
return 1
"""
"""Keep a written value, whoever is loading."""

PUT_IF_NEWER = """
-- KEYS: value, lease. ARGV: the value, its ms, its version.
local lease = redis.call('GET', KEYS[2])
if lease and string.sub(lease, 1, 1) == 'v' and tonumber(string.sub(lease, 2)) > tonumber(ARGV[3]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('SET', KEYS[2], 'v' .. ARGV[3], 'PX', ARGV[2])
return 1
"""
"""Keep a written value unless a newer version was written before; 1 if so, else 0."""

RENEW = """
-- KEYS: lease. ARGV: the lease, its ms.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1
"""
"""Prolong a lease that is still there; 1 if so, else 0."""

RELEASE = """
-- KEYS: lease, or value. ARGV: what is given up, what takes its place or "", its ms.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1
"""
"""Give a lease or a value up, only if it is still there: it may be another's by now."""
