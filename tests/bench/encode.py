"""The ladder against the ffmpeg command line doing the same work, one after the other."""

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import av

from jobs.media.model import Bounds
from jobs.media.plan import plan
from jobs.media.probe import probe
from jobs.media.studio import encoded
from tests.bench.machine import Machine

SECONDS = 12
LEAST_CPU, LEAST_WALL = 0.9, 0.75


def main() -> None:
    program = shutil.which("ffmpeg")
    if program is None:
        sys.exit("There is no ffmpeg on this machine to compare with.")
    version = subprocess.run([program, "-version"], capture_output=True, text=True, check=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = _source(program, folder)
        with Machine("encode_ladder_pyav") as ours:
            asyncio.run(_ours(source))
        ours.row(pyav=av.__version__, libavcodec=av.library_versions["libavcodec"])
        with Machine("encode_ladder_ffmpeg") as theirs:
            subprocess.run(_theirs(program, source, folder), check=True, timeout=300)
        theirs.row(ffmpeg=version.stdout.split(" Copyright")[0])
    cpu = theirs.children_seconds / (ours.children_seconds + ours.cpu_seconds)
    wall = theirs.wall_seconds / ours.wall_seconds
    told = {
        "what": "encode_against_ffmpeg",
        "cpu": round(cpu, 2),
        "wall": round(wall, 2),
        "held": cpu >= LEAST_CPU and wall >= LEAST_WALL,
    }
    print(json.dumps(told))


def _source(program: str, folder: Path) -> Path:
    """Make a portrait film as a telephone does, with noise that is hard to encode."""
    path = folder / "source.mp4"
    picture = f"testsrc2=size=1080x1920:rate=30:duration={SECONDS},noise=alls=12:allf=t"
    sound = f"sine=frequency=440:duration={SECONDS}"
    made = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound]
    how = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p"]
    subprocess.run(
        [program, "-v", "error", *made, *how, "-c:a", "aac", "-ac", "2", "-ar", "48000", str(path)],
        check=True,
        timeout=200,
    )
    return path


async def _ours(source: Path) -> None:
    async def fetch(path: Path) -> None:
        await asyncio.to_thread(shutil.copyfile, source, path)

    async def hear(_: float) -> None:
        return

    async with encoded(fetch, hear, within=300) as result:
        assert len(result.encoded.renditions) == 4


def _theirs(program: str, source: Path, folder: Path) -> list[str]:
    """The same sizes, rates and keyframes in one command."""
    planned = plan(probe(source, Bounds()), Bounds())
    count = len(planned.rungs)
    split = f"[0:v]fps={planned.rate},split={count}" + "".join(f"[s{i}]" for i in range(count))
    scaled = [
        f"[s{at}]scale={rung.width}:{rung.height},format=yuv420p[v{at}]"
        for at, rung in enumerate(planned.rungs)
    ]
    heard = f"[0:a]ebur128=peak=true,volume={planned.gain}dB,asplit={count}"
    heard += "".join(f"[a{i}]" for i in range(count))
    command = [program, "-v", "error", "-nostdin", "-y", "-i", str(source)]
    command += ["-filter_complex", ";".join([split, *scaled, heard])]
    group = str(planned.group)
    for at, rung in enumerate(planned.rungs):
        command += ["-map", f"[v{at}]", "-map", f"[a{at}]", "-c:v", "libx264"]
        command += ["-preset", "veryfast", "-crf", "23", "-profile:v", "high"]
        command += ["-maxrate", str(rung.bits_per_second)]
        command += ["-bufsize", str(2 * rung.bits_per_second)]
        command += ["-g", group, "-keyint_min", group, "-sc_threshold", "0"]
        command += ["-c:a", "aac", "-b:a", "128k", "-movflags", "+faststart"]
        command += [str(folder / f"{rung.name}.mp4")]
    return command


if __name__ == "__main__":
    main()
