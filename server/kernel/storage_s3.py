"""Objects in an S3-compatible bucket, by boto3 in a few threads of its own."""

import asyncio
import base64
import contextlib
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from server.kernel.clock import Clock, SystemClock
from server.kernel.s3_links import Address, signed_link
from server.kernel.storage import LINK_DAYS, checked, day_of, mime_of

# Transfers at once in one process; more wait their turn.
THREADS = 8
_IMMUTABLE = "public, max-age=31536000, immutable"
_ABSENT = {"404", "NoSuchKey", "NoSuchUpload", "NotFound"}

_T = TypeVar("_T")


class S3Storage:
    """Keeps objects in one bucket; readers fetch them from there by signed links."""

    def __init__(
        self,
        bucket: str,
        *,
        access_key_id: str | None,
        secret_access_key: str | None,
        region: str,
        clock: Clock | None = None,
        endpoint_url: str | None = None,
    ) -> None:
        self._bucket = bucket
        self._clock = clock or SystemClock()
        # "auto" is what other hosts call their only region; AWS has none of that name.
        region = "us-east-1" if region == "auto" and not endpoint_url else region
        own = endpoint_url or f"https://s3.{region}.amazonaws.com"
        # Only AWS itself is sure to resolve a bucket as a host name.
        self._region = region
        self._url = (
            f"{own.rstrip('/')}/{bucket}"
            if endpoint_url
            else f"https://{bucket}.s3.{region}.amazonaws.com"
        )
        session = boto3.Session(
            region_name=region,
            aws_access_key_id=access_key_id,
            aws_secret_access_key=secret_access_key,
        )
        self._credentials = session.get_credentials()
        if self._credentials is None:
            raise LookupError("S3 needs S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY.")
        self._client: Any = session.client(
            "s3",
            endpoint_url=own,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path" if endpoint_url else "virtual"},
                max_pool_connections=THREADS,
                connect_timeout=5,
                read_timeout=30,
                retries={"max_attempts": 3, "mode": "standard"},
                # Servers other than AWS answer ranges with checksums that botocore then refuses.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="s3")

    async def put_file(self, key: str, path: Path, *, mime: str) -> None:
        """Store a file under a key, whole or not at all."""
        checked(key, mime)

        def send() -> None:
            with path.open("rb") as file:
                self._put(key, file, mime)

        await self._in_thread(send)

    async def put(self, key: str, content: bytes, *, mime: str) -> None:
        """Store bytes under a key, whole or not at all."""
        await self._in_thread(partial(self._put, checked(key, mime), content, mime))

    async def get(self, key: str) -> bytes:
        """Read an object; `KeyError` when there is none."""
        return await self._get(checked(key))

    async def fetch(self, key: str, path: Path) -> None:
        """Copy an object into a file, however large it is; `KeyError` when there is none."""
        checked(key)

        def receive() -> None:
            answer = self._client.get_object(Bucket=self._bucket, Key=key)
            with answer["Body"] as body, path.open("wb") as file:
                shutil.copyfileobj(body, file, 1 << 20)

        try:
            await self._in_thread(receive)
        except ClientError as error:
            if _is_absence(error):
                raise KeyError(key) from None
            raise

    async def beginning(self, key: str, count: int) -> bytes:
        """Read the first bytes of an object; `KeyError` when there is none."""
        return await self._get(checked(key), Range=f"bytes=0-{count - 1}")

    async def _get(self, key: str, **how: str) -> bytes:
        def receive() -> bytes:
            answer = self._client.get_object(Bucket=self._bucket, Key=key, **how)
            with answer["Body"] as body:
                content: bytes = body.read()
            return content

        try:
            return await self._in_thread(receive)
        except ClientError as error:
            if _is_absence(error):
                raise KeyError(key) from None
            raise

    async def exists(self, key: str) -> bool:
        """Say whether there is such an object."""
        checked(key)
        try:
            await self._in_thread(partial(self._client.head_object, Bucket=self._bucket, Key=key))
        except ClientError as error:
            if _is_absence(error):
                return False
            raise
        return True

    async def begin_parts(self, key: str, *, mime: str) -> str:
        """Begin an object that comes in parts; gives the name by which they find together."""
        begin = partial(
            self._client.create_multipart_upload,
            Bucket=self._bucket,
            Key=checked(key, mime),
            ContentType=mime,
            CacheControl=_IMMUTABLE,
        )
        return str((await self._in_thread(begin))["UploadId"])

    async def put_part(self, key: str, name: str, number: int, content: bytes) -> str:
        """Store a part, from 1 on; the same may be stored again under its number. Gives its tag.

        Raises:
            KeyError: nothing of that name is begun, or it was joined or dropped.

        """
        put = partial(self._client.upload_part, PartNumber=number, Body=content)
        return str((await self._of_parts(put, key, name))["ETag"])

    async def join_parts(self, key: str, name: str, tags: Sequence[str]) -> None:
        """Make an object of its parts, whole or not at all. Refused as `put_part` is."""
        parts = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]
        join = partial(self._client.complete_multipart_upload, MultipartUpload={"Parts": parts})
        await self._of_parts(join, key, name)

    async def drop_parts(self, key: str, name: str) -> None:
        """Forget the parts of an object; nothing happens when there are none."""
        with contextlib.suppress(KeyError):
            await self._of_parts(self._client.abort_multipart_upload, key, name)

    async def _of_parts(self, call: Callable[..., _T], key: str, name: str) -> _T:
        try:
            return await self._in_thread(
                partial(call, Bucket=self._bucket, Key=checked(key), UploadId=name)
            )
        except ClientError as error:
            if _is_absence(error):
                raise KeyError(name) from None
            raise

    async def delete(self, key: str) -> None:
        """Remove an object; nothing happens when there is none."""
        checked(key)
        try:
            await self._in_thread(partial(self._client.delete_object, Bucket=self._bucket, Key=key))
        except ClientError as error:
            if not _is_absence(error):
                raise

    def url(self, key: str) -> str:
        """Give a link that reads the object, the same all day so that caches work."""
        return signed_link(
            self._address(),
            "GET",
            checked(key),
            signed_at=day_of(self._clock.now()),
            lifetime=timedelta(days=LINK_DAYS),
        )

    def upload_url(
        self, key: str, *, mime: str, size: int, lifetime: timedelta, sha256: bytes | None = None
    ) -> str:
        """Give a link that takes exactly this many bytes of this type by PUT, or just these."""
        return signed_link(
            self._address(),
            "PUT",
            checked(key, mime),
            signed_at=self._clock.now(),
            lifetime=lifetime,
            headers={"content-length": str(size), **self.upload_headers(mime_of(key), sha256)},
        )

    def upload_headers(self, mime: str, sha256: bytes | None) -> dict[str, str]:
        """Give the headers that such a PUT must have besides its length."""
        if sha256 is None:
            return {"content-type": mime}
        return {
            "content-type": mime,
            "x-amz-checksum-sha256": base64.b64encode(sha256).decode(),
        }

    def close(self) -> None:
        """End the threads and their connections."""
        self._threads.shutdown(cancel_futures=True)
        self._client.close()

    def _address(self) -> Address:
        # Asked for each time: a machine's temporary credentials change while it runs.
        now = self._credentials.get_frozen_credentials()
        return Address(
            url=self._url,
            region=self._region,
            access_key_id=now.access_key,
            secret_access_key=now.secret_key,
            session_token=now.token,
        )

    def _put(self, key: str, body: Any, mime: str) -> None:
        self._client.put_object(
            Bucket=self._bucket,
            Key=key,
            Body=body,
            ContentType=mime,
            CacheControl=_IMMUTABLE,
        )

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _is_absence(error: ClientError) -> bool:
    return str(error.response.get("Error", {}).get("Code")) in _ABSENT
