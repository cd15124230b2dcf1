"""Makes one large shard and packs it, for acceptance runs; says how long each step took.

Usage: make_big.py FOLDER POINTS DIMENSIONS SEED

Writes `big.snapshot` and `truth.json` (one object: count, ids digest, sample) into FOLDER. Ids are numbers with gaps,
vectors are random in 16 bits a component, payloads are those of the small shards without the long text. Points are
written, optimized, a twentieth is changed and a twentieth deleted, so that there are dead rows and an appendable segment.
"""

import array
import hashlib
import json
import pathlib
import random
import sys
import tempfile
import time

import engine
import payloads
import shard_tar
from engine import edge
from kinds import dense

BATCH = 1000
SAMPLE = 100


class Clock:
    """Seconds of each named step."""

    def __init__(self):
        self.seconds = {}
        self.since = time.monotonic()

    def lap(self, name):
        now = time.monotonic()
        self.seconds[name] = round(now - self.since, 2)
        self.since = now


def point(source, index, dimensions):
    body = payloads.payload(source, index) or {}
    body.pop("filler", None)
    # Integers, because drawing floats one by one takes longer than all the rest; the engine normalises them.
    vector = array.array("h", source.randbytes(2 * dimensions)).tolist()
    return {"id": index * 2, "vector": vector, "payload": body}


def upsert(shard, points):
    shard.update(edge.UpdateOperation.upsert_points(engine.points_of(points)))


def fill(shard, source, count, dimensions):
    for start in range(0, count, BATCH):
        upsert(shard, [point(source, index, dimensions) for index in range(start, min(start + BATCH, count))])


def change(shard, source, count, dimensions):
    picks = source.sample(range(count), count // 10)
    gone = [2 * index for index in picks[: len(picks) // 2]]
    shard.update(edge.UpdateOperation.delete_points(gone))
    for start in range(len(picks) // 2, len(picks), BATCH):
        upsert(shard, [point(source, index, dimensions) for index in picks[start : start + BATCH]])


def described(shard, clock):
    ids = [record["id"] for record in engine.records(shard, payload=False, vector=False)]
    sample = engine.retrieve(shard, ids[:: max(1, len(ids) // SAMPLE)])
    info = shard.info()
    return {
        "tag": "big",
        "points": engine.count(shard),
        "segments": info.segments_count,
        "indexed": info.indexed_vectors_count,
        "ids_sha256": hashlib.sha256("\n".join(map(str, ids)).encode()).hexdigest(),
        "sample": sample,
        "engine": engine.VERSION,
        "core": engine.core_version(),
        "seconds": clock.seconds,
    }


def main():
    folder, count, dimensions, seed = pathlib.Path(sys.argv[1]), *map(int, sys.argv[2:5])
    source = random.Random(seed)
    clock = Clock()
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        path = pathlib.Path(scratch) / "shard"
        spec = {"vectors": {"": dense(dimensions, "Cosine", on_disk=True)}, "hnsw": HNSW, "optimizers": {}}
        shard = engine.create(path, spec)
        fill(shard, source, count, dimensions)
        clock.lap("write")
        shard.optimize()
        clock.lap("optimize")
        change(shard, source, count, dimensions)
        clock.lap("change")
        truth = described(shard, clock)
        shard.close()
        clock.lap("describe")
        shard_tar.pack(path, folder / "big.snapshot", "streamed")
        clock.lap("pack")
    (folder / "truth.json").write_text(json.dumps([truth], ensure_ascii=False, indent=1))
    print(json.dumps(clock.seconds))


# A thin graph: nobody searches here, and building it takes most of the time.
HNSW = {"m": 4, "ef_construct": 16, "full_scan_threshold": 10_000}

if __name__ == "__main__":
    main()
