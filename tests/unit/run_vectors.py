# SPDX-License-Identifier: Apache-2.0
"""Runs a file of test vectors under MicroPython; `tests/vectors` writes the file and reads what comes out.

A line is a vector: its name, an operation of this module, what is expected, and the operation's arguments, all
separated by spaces and in hex; "-" is an empty string, and "refused" an expected CryptoError. Every vector that does
not come out as expected is printed, and at the end which version ran ("native" or "plain") and how many vectors.
"""

import asyncio
import sys
from binascii import unhexlify

_NATIVE = "latchkey.crypto.ghash", "latchkey.crypto.field"


async def verify(public, message, signature):
    await publickey.ecdsa_verify(public, crypto.sha256(message), signature)


async def verify_digest(public, digest, signature):
    await publickey.ecdsa_verify(public, digest, signature)


async def point(public):
    publickey.validate_public(public)


async def public_key(private):
    return await publickey.public_key(private)


async def ecdh(private, public):
    return await publickey.ecdh(private, public)


async def seal(key, nonce, aad, plaintext, tag_size):
    ciphertext, tag = crypto.gcm_encrypt(key, nonce, aad, plaintext)
    return ciphertext + tag[: tag_size[0]]


async def unseal(key, nonce, aad, ciphertext, tag):
    plaintext = crypto.gcm_decrypt(key, nonce, aad, ciphertext, tag)
    if crypto.gcm_encrypt(key, nonce, aad, plaintext) != (ciphertext, tag):
        raise ValueError("it does not encrypt back to what it was")
    return plaintext


async def hmac(key, message):
    return crypto.hmac_sha256(key, message)


def _bytes(text):
    return b"" if text == "-" else unhexlify(text)


async def _run(path):
    count = 0
    with open(path) as file:
        for line in file:
            name, operation, expected, *arguments = line.split()
            try:
                result = await globals()[operation](*[_bytes(text) for text in arguments]) or b""
            except crypto.CryptoError:
                right = expected == "refused"
            except Exception as error:  # noqa: BLE001 - anything but a refusal is a finding, and the rest still runs
                print("wrong", name, repr(error))
                right = False
            else:
                right = expected != "refused" and result == _bytes(expected)
            if not right:
                print("wrong", name)
            count += 1
    native = {sys.modules.get(name, sys).__name__ == name for name in _NATIVE}
    print("mixed" if len(native) > 1 else "native" if True in native else "plain", count)


def main(path, version):
    global crypto, publickey
    if version == "plain":
        sys.modules.update(dict.fromkeys(_NATIVE, sys))  # which has none of their names
    from latchkey import crypto
    from latchkey.crypto import p256, publickey  # noqa: F401 - and which version of its points, whatever is asked for

    asyncio.run(_run(path))
