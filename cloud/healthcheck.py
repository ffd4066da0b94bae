"""Whether what runs in this container is well: asks it for a page, and ends with 0 or 1. What Docker's HEALTHCHECK runs.

The page is DYNASPLIT_HEALTH_URL; without it, the backend's readiness on loopback. Whose certificate answers is not looked at: it is
made for the names by which devices know the machine, and on loopback nobody else answers.
"""

from __future__ import annotations

import http.client
import os
import ssl
import sys
import urllib.request

_VARIABLE = "DYNASPLIT_HEALTH_URL"
_BACKEND = "http://127.0.0.1:8000/v2/health/ready"
_PATIENCE_S = 4.0


def main() -> int:
    url = os.environ.get(_VARIABLE) or _BACKEND
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(url, timeout=_PATIENCE_S, context=context):
            return 0
    except (OSError, ValueError, http.client.HTTPException) as error:
        sys.stderr.write(f"{url}: {error}\n")
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
