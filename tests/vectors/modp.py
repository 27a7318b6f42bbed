#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""modp.py > dh-modp.txt: exchanges in the MODP groups, from nothing but the formulas of RFC 2409 and RFC 3526.

The primes are 2^n - 2^(n-64) - 1 + 2^64 * (floor(2^(n-130) * pi) + c), with pi computed here; the exponents
come from SHA-512.  The "padded" cases are exchanges whose secret starts with a zero octet.
"""
import hashlib

GROUPS = {2: (1024, 129093), 5: (1536, 741804), 14: (2048, 124476), 15: (3072, 1690314),
          16: (4096, 240904), 17: (6144, 929484), 18: (8192, 4743158)}


def arctan_inverse(x, one):
    total = term = one // x
    n, sign = 3, -1
    while term:
        term //= x * x
        total += sign * (term // n)
        n, sign = n + 2, -sign
    return total


def pi_times_power_of_two(bits):
    one = 1 << (bits + 64)
    return 4 * (4 * arctan_inverse(5, one) - arctan_inverse(239, one)) >> 64


def prime(bits, c):
    return 2**bits - 2**(bits - 64) - 1 + 2**64 * (pi_times_power_of_two(bits - 130) + c)


def exponent(text, length=32):
    return int.from_bytes(hashlib.sha512(text.encode()).digest()[:length], "big")


def show(name, p, x, y, size):
    put = lambda key, v, n: print(f"{name}.{key} = {v.to_bytes(n, 'big').hex()}")
    put("priv", x, 32)
    put("pub", pow(2, x, p), size)
    put("peer", pow(2, y, p), size)
    put("secret", pow(2, x * y, p), size)


print("# Written by modp.py: see there.")
for group, (bits, c) in GROUPS.items():
    p, size = prime(bits, c), bits // 8
    assert pow(2, p - 1, p) == 1 and pow(2, (p - 1) // 2, p) == 1  # a wrong digit of pi would not pass
    x, y = exponent(f"{group} x"), exponent(f"{group} y")
    show(f"{group}", p, x, y, size)
    if group == 14:
        n = 0
        while pow(2, x * exponent(f"{group} y {n}"), p) >> (bits - 8):
            n += 1
        show(f"{group}.padded", p, x, exponent(f"{group} y {n}"), size)
