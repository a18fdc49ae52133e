"""Signed links to S3 objects (AWS Signature Version 4, in the query string).

boto3 signs with the present second, so that no two links are alike and no cache ever hits; and it
takes a millisecond for each. Signed by ourselves as of midnight, a link is the same all day.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from urllib.parse import quote, urlsplit

from msgspec import Struct

_ALGORITHM = "AWS4-HMAC-SHA256"


class Address(Struct, frozen=True, kw_only=True):
    """Where a bucket is and with whose key links to it are signed."""

    # Scheme, host and, with a path-style endpoint, the bucket: `https://host/bucket`.
    url: str
    region: str
    access_key_id: str
    secret_access_key: str
    # Of temporary credentials; such links end when these do.
    session_token: str | None = None


def signed_link(
    address: Address,
    method: str,
    key: str,
    *,
    signed_at: datetime,
    lifetime: timedelta,
    headers: Mapping[str, str] | None = None,
) -> str:
    """Give a link for one method and object; `headers` must then be sent as they are here."""
    base = urlsplit(address.url)
    path = quote(f"{base.path}/{key}", safe="/-_.~")
    signing = {"host": base.netloc, **(headers or {})}
    names = ";".join(sorted(signing))
    stamp = signed_at.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{address.region}/s3/aws4_request"
    asked = {
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{address.access_key_id}/{scope}",
        "X-Amz-Date": stamp,
        "X-Amz-Expires": str(int(lifetime.total_seconds())),
        "X-Amz-SignedHeaders": names,
    }
    if address.session_token is not None:
        asked["X-Amz-Security-Token"] = address.session_token
    query = _query(asked)
    lines = "".join(f"{name}:{signing[name]}\n" for name in sorted(signing))
    request = f"{method}\n{path}\n{query}\n{lines}\n{names}\nUNSIGNED-PAYLOAD"
    digest = hashlib.sha256(request.encode()).hexdigest()
    told = f"{_ALGORITHM}\n{stamp}\n{scope}\n{digest}"
    secret = _day_key(address.secret_access_key, stamp[:8], address.region)
    signature = hmac.new(secret, told.encode(), hashlib.sha256).hexdigest()
    return f"{base.scheme}://{base.netloc}{path}?{query}&X-Amz-Signature={signature}"


def _query(values: Mapping[str, str]) -> str:
    pairs = sorted((quote(name, safe="-_.~"), quote(values[name], safe="-_.~")) for name in values)
    return "&".join(f"{name}={value}" for name, value in pairs)


@lru_cache(maxsize=4)
def _day_key(secret: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    return key
