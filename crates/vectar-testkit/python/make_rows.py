"""Takes one shard through the life in which an optimizer moves its rows, one step a call, and packs it after each.

Usage: make_rows.py FOLDER STEP POINTS DIMENSIONS SEED

The shard lies in FOLDER/shard from the step `written` on; each step writes FOLDER/<step>.snapshot and prints one object: what the
engine says of the shard, and how long the step took. Ids are random UUIDs, vectors random in 16 bits a component, which the engine
normalises, payloads texts of some hundred bytes with a field that tells tenants apart. POINTS is how many `written` writes.

`written`      one appendable segment
`indexed`      the same, optimized for the first time
`merged-5`     a twentieth of new points, merged
`merged-20`    a fifth of new points, merged
`vacuumed`     a fifth of the points deleted, vacuumed
`hnsw`         another `m` and `ef_construct`
`index`        a payload index
`tenants`      a payload index that tells tenants apart, and the segments rebuilt with their points side by side
`merged-50`    half as many new points, merged
"""

import array
import json
import pathlib
import random
import sys
import time
import uuid

import engine
import shard_tar
from engine import edge
from kinds import dense

BATCH = 500
TENANTS = 50

# Thin graphs: nobody searches here, and building them takes most of the time.
HNSW = {"m": 2, "ef_construct": 4, "full_scan_threshold": 10}
OTHER_HNSW = {"m": 4, "ef_construct": 5, "full_scan_threshold": 10}

OPTIMIZERS = {
    "indexing_threshold": 1,
    "default_segment_number": 1,
    "max_segment_size": 100_000_000,
    "vacuum_min_vector_number": 100,
    "deleted_threshold": 0.05,
}

SYLLABLES = "ba ce di fo gu ka le mi no pu ra se ti vo xu za br cl dr st tion ment ing er al en or an".split()


class Writer:
    """Makes points; each step has a random source of its own."""

    def __init__(self, step, seed, dimensions):
        self.random = random.Random(f"{seed}/{step}")
        self.dimensions = dimensions
        words = random.Random(seed)
        self.words = ["".join(words.choices(SYLLABLES, k=words.randint(1, 4))) for _ in range(5000)]

    def point(self):
        source = self.random
        # Integers, because drawing floats one by one takes longer than all the rest.
        vector = array.array("h", source.randbytes(2 * self.dimensions)).tolist()
        return {"id": str(uuid.UUID(int=source.getrandbits(128))), "vector": vector, "payload": self.payload()}

    def payload(self):
        source = self.random
        return {
            "tenant": f"tenant-{source.randrange(TENANTS):03}",
            "title": self.text(3, 9),
            "text": self.text(15, 60),
            "url": f"https://example.org/{source.choice(self.words)}/{source.getrandbits(48):x}",
            "rank": source.randrange(10_000),
            "seen_at": f"2025-{source.randint(1, 12):02}-{source.randint(1, 28):02}T{source.randrange(24):02}:00:00Z",
        }

    def text(self, shortest, longest):
        return " ".join(self.random.choices(self.words, k=self.random.randint(shortest, longest)))

    def upsert(self, shard, count):
        for start in range(0, count, BATCH):
            points = [self.point() for _ in range(min(BATCH, count - start))]
            shard.update(edge.UpdateOperation.upsert_points(engine.points_of(points)))


def spec(dimensions, hnsw):
    return {"vectors": {"": dense(dimensions, "Cosine", on_disk=True)}, "hnsw": hnsw, "optimizers": OPTIMIZERS}


def take(step, path, points, dimensions, seed):
    """Takes one step and returns the shard, flushed."""
    writer = Writer(step, seed, dimensions)
    if step == "written":
        shard = engine.create(path, spec(dimensions, HNSW))
        writer.upsert(shard, points)
        return shard
    shard = engine.load_as(path, spec(dimensions, OTHER_HNSW)) if step == "hnsw" else engine.load(path)
    kind, _, percent = step.partition("-")
    match kind:
        case "merged":
            writer.upsert(shard, engine.count(shard) * int(percent) // 100)
        case "vacuumed":
            ids = [record["id"] for record in engine.records(shard, payload=False, vector=False)]
            gone = writer.random.sample(ids, len(ids) // 5)
            for start in range(0, len(gone), 10 * BATCH):
                some = [engine.id_in(one) for one in gone[start : start + 10 * BATCH]]
                shard.update(edge.UpdateOperation.delete_points(some))
        case "index":
            engine.index_field(shard, "rank", {"type": "integer", "lookup": True, "range": True})
        case "tenants":
            engine.index_field(shard, "tenant", {"type": "keyword", "is_tenant": True})
            # An index alone moves nothing; the next time that segments are made does.
            writer.upsert(shard, points // 100)
    shard.optimize()
    return shard


def main():
    folder, step = pathlib.Path(sys.argv[1]), sys.argv[2]
    points, dimensions, seed = map(int, sys.argv[3:6])
    started = time.monotonic()
    path = folder / "shard"
    shard = take(step, path, points, dimensions, seed)
    shard.flush()
    info = shard.info()
    said = {
        "step": step,
        "points": engine.count(shard),
        "segments": info.segments_count,
        "indexed": info.indexed_vectors_count,
        "indexed_fields": sorted(info.payload_schema),
        "engine": engine.VERSION,
    }
    shard.close()
    shard_tar.pack(path, folder / f"{step}.snapshot", "streamed")
    print(json.dumps({**said, "seconds": round(time.monotonic() - started, 1)}))


if __name__ == "__main__":
    main()
