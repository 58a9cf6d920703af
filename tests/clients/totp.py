"""The codes of a virtual MFA device (RFC 6238: SHA-1, 30 s, 6 digits)."""

import base64
import hashlib
import hmac
import struct
import time

STEP_S = 30


def code(seed, steps_from_now=0):
    """The code of the step this many steps from the present one."""
    step = int(time.time()) // STEP_S + steps_from_now
    digest = hmac.new(base64.b32decode(seed), struct.pack(">Q", step), hashlib.sha1).digest()
    offset = digest[-1] & 15
    (number,) = struct.unpack(">I", digest[offset : offset + 4])
    return f"{(number & 0x7FFFFFFF) % 1_000_000:06}"


def two_codes(seed, steps_from_now=0):
    """Two consecutive codes: by default of the step before and the present one, so that the next one is still unused."""
    return code(seed, steps_from_now - 1), code(seed, steps_from_now)
