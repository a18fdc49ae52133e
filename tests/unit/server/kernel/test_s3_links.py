"""S3 links against the example that AWS gives in its documentation of Signature Version 4."""

from datetime import UTC, datetime, timedelta

from server.kernel.s3_links import Address, signed_link

EXAMPLE = Address(
    url="https://examplebucket.s3.amazonaws.com",
    region="us-east-1",
    access_key_id="AKIAIOSFODNN7EXAMPLE",
    secret_access_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
)


def test_the_documented_example() -> None:
    link = signed_link(
        EXAMPLE,
        "GET",
        "test.txt",
        signed_at=datetime(2013, 5, 24, tzinfo=UTC),
        lifetime=timedelta(days=1),
    )
    assert link == (
        "https://examplebucket.s3.amazonaws.com/test.txt"
        "?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )
