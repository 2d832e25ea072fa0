"""Is this container's service healthy? Asks it over its own port."""

import os
import ssl
import sys
import urllib.request

url = os.environ.get("VANTHU_HEALTH", "https://127.0.0.1:8443/health")
context = ssl.create_default_context(cafile="/data/pki/tls/ca.pem") if url.startswith("https") else None
try:
    with urllib.request.urlopen(url, timeout=4, context=context) as answer:
        sys.exit(0 if answer.status == 200 else 1)
except OSError as error:
    print(error)
    sys.exit(1)
