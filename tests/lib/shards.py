# SPDX-License-Identifier: Apache-2.0
"""Which store keeps what (proto/shards.h), written a second time for tests: SipHash-2-4 of the key
and of the shard's name, highest random weight."""

MASK = (1 << 64) - 1


def _sip(data):
    v = [0x736f6d6570736575, 0x646f72616e646f6d, 0x6c7967656e657261, 0x7465646279746573]

    def turn(x, bits):
        return (x << bits | x >> (64 - bits)) & MASK

    def rounds(n):
        for _ in range(n):
            v[0] = v[0] + v[1] & MASK
            v[1] = turn(v[1], 13) ^ v[0]
            v[0] = turn(v[0], 32)
            v[2] = v[2] + v[3] & MASK
            v[3] = turn(v[3], 16) ^ v[2]
            v[0] = v[0] + v[3] & MASK
            v[3] = turn(v[3], 21) ^ v[0]
            v[2] = v[2] + v[1] & MASK
            v[1] = turn(v[1], 17) ^ v[2]
            v[2] = turn(v[2], 32)

    whole = len(data) // 8 * 8
    words = [int.from_bytes(data[i:i + 8], "little") for i in range(0, whole, 8)]
    words.append(int.from_bytes(data[whole:], "little") | (len(data) & 255) << 56)
    for word in words:
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xff
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def _mix(x):
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9 & MASK
    x = (x ^ x >> 27) * 0x94d049bb133111eb & MASK
    return x ^ x >> 31


def shard_of(key, count):
    """The shard of a client id or topic among `count`."""
    data = _sip(key if isinstance(key, bytes) else key.encode())
    return max(range(count), key=lambda i: (_mix(data ^ _mix(_sip(b"shard-%d" % i))), -i))


def names_on(shard, count, prefix="c", n=1):
    """The first n names (prefix0, prefix1 ...) that belong to the shard."""
    out, i = [], 0
    while len(out) < n:
        if shard_of(f"{prefix}{i}", count) == shard:
            out.append(f"{prefix}{i}")
        i += 1
    return out
