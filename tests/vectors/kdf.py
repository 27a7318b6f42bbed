#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kdf.py > kdf-sha2.txt: RFC 7296 2.13, 2.14, 2.17, 2.18, RFC 8784 3 and RFC 9370 2.2.4 with HMAC-SHA-2, by Python's hmac.

It first reproduces every value of kdf-cavp.txt, and writes nothing when one differs.
"""
import hashlib
import hmac
import os


def prf(name, key, data):
    return hmac.new(key, data, name).digest()


def prf_plus(name, key, seed, n):
    out = t = b""
    i = 1
    while len(out) < n:
        t = prf(name, key, t + seed + bytes([i]))
        out += t
        i += 1
    return out[:n]


def derive(name, v, dkm_len):
    size = hashlib.new(name).digest_size
    nonces = v["ni"] + v["nr"]
    skeyseed = prf(name, nonces, v["gir"])
    dkm = prf_plus(name, skeyseed, nonces + v["spi_i"] + v["spi_r"], dkm_len)
    d = dkm[:size]
    more = {}
    if "more" in v:  # RFC 9370 2.2.4: further secrets; RFC 8784 3: a PPK, with SK_pi and SK_pr where AES-GCM-256 has them
        p = size + 2 * 36
        more = {"dkm_child_more": prf_plus(name, d, v["gir_new"] + nonces + v["more"], dkm_len),
                "skeyseed_more": prf(name, d, v["gir_new"] + nonces + v["more"]),
                "d_ppk": prf_plus(name, v["ppk"], d, size),
                "pi_ppk": prf_plus(name, v["ppk"], dkm[p:p + size], size),
                "pr_ppk": prf_plus(name, v["ppk"], dkm[p + size:p + 2 * size], size)}
    return {"skeyseed": skeyseed, "dkm": dkm, "dkm_child": prf_plus(name, d, nonces, dkm_len),
            "dkm_child_dh": prf_plus(name, d, v["gir_new"] + nonces, dkm_len),
            "skeyseed_rekey": prf(name, d, v["gir_new"] + nonces), **more}


def published():
    here = os.path.dirname(os.path.abspath(__file__))
    sets = {}
    for line in open(os.path.join(here, "kdf-cavp.txt")):
        if "=" in line and line[0] != "#":
            key, value = line.split(" = ")
            sets.setdefault(key.split(".")[0], {})[key.split(".")[1]] = bytes.fromhex(value.strip())
    return sets


for v in published().values():
    for key, value in derive("sha1", v, len(v["dkm"])).items():
        assert key not in v or v[key] == value, key

print("# Written by kdf.py, which reproduces kdf-cavp.txt first.")
for prf_id, name in (5, "sha256"), (6, "sha384"), (7, "sha512"):
    bytes_of = lambda what, n: (hashlib.shake_256(f"{name} {what}".encode()).digest(n))
    v = {"ni": bytes_of("ni", 32), "nr": bytes_of("nr", 24), "spi_i": bytes_of("spi_i", 8),
         "spi_r": bytes_of("spi_r", 8), "gir": bytes_of("gir", 256), "gir_new": bytes_of("gir_new", 96),
         "more": bytes_of("more", 32 + 48), "ppk": bytes_of("ppk", 40)}
    print(f"{name}.prf = {prf_id:04x}")
    for key, value in (v | derive(name, v, 400)).items():
        print(f"{name}.{key} = {value.hex()}")
