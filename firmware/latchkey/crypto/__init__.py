# SPDX-License-Identifier: Apache-2.0
"""All of the car's cryptography, behind two doors.

A message needs what is loaded here: hashes (`hmac`), AES-GCM (`gcm` over the native loops of `ghash`) and the checked
random source. Public-key work is rare (a key's first contact, signatures): `publickey` has it (`p256` and `ecdsa`, over
`points` and the native arithmetic of `field`), and is loaded late by whoever needs it. Native code has a plain version
beside it for interpreters that cannot run it. Nothing outside this folder imports any other module of it, so each can
become C or native code by itself. Everything that fails raises a CryptoError.
"""

from latchkey.crypto.base import AuthError as AuthError
from latchkey.crypto.base import CryptoError as CryptoError
from latchkey.crypto.gcm import gcm_decrypt as gcm_decrypt
from latchkey.crypto.gcm import gcm_encrypt as gcm_encrypt
from latchkey.crypto.hmac import hmac_sha256 as hmac_sha256
from latchkey.crypto.hmac import sha1 as sha1
from latchkey.crypto.hmac import sha256 as sha256
from latchkey.crypto.hmac import verify_equal as verify_equal
from latchkey.crypto.random import random_bytes as random_bytes
from latchkey.crypto.random import stir as stir
