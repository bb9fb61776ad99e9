# SPDX-License-Identifier: Apache-2.0
"""What `latchkey measure` takes the time of, for a prompt that does not know the short names of a board."""

from latchkey import crypto
from latchkey.crypto import publickey

MESSAGES = crypto.random_bytes, crypto.sha256, crypto.hmac_sha256, crypto.gcm_encrypt, crypto.gcm_decrypt
KEYS = (
    publickey.generate_private,
    publickey.public_key,
    publickey.ecdh,
    publickey.ecdsa_sign,
    publickey.ecdsa_verify,
)
