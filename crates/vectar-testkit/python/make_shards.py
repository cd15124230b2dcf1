"""Makes shards with the engine this Python has, and says what the engine answers about them.

Usage: make_shards.py FOLDER KIND POINTS SEED

Writes into FOLDER, which exists, for each stage of the shard's life
  <stage>.snapshot       the shard, packed as a server packs a shard snapshot
  <stage>.points.jsonl   every point in scroll order: id, payload, vector, as the engine returned them
and `truth.json`, a list with one object per stage, in the shape of the committed fixtures. A kind that this engine
cannot make writes nothing and prints `unsupported: <why>`.

Stages: `0-written` (not optimized), `1-optimized`, `2-changed` (points upserted again, payloads and vectors changed
and deleted, points deleted), `3-reoptimized`. An engine without an optimizer has the first and the third.
"""

import hashlib
import json
import pathlib
import random
import sys
import uuid

import engine
import payloads
import shard_tar
from engine import edge
from kinds import KINDS, OPTIMIZERS

BATCHES = 3
SAMPLE = 40


class Source:
    """Draws points; the same seed draws the same under every version of the engine."""

    def __init__(self, spec, seed):
        self.spec = spec
        self.random = random.Random(seed)
        self.made = 0

    def point(self, point_id=None):
        index = self.made
        self.made += 1
        point_id = self.new_id(index) if point_id is None else point_id
        return {"id": point_id, "vector": self.vectors(), "payload": payloads.payload(self.random, index)}

    def new_id(self, index):
        kind = self.spec["ids"]
        if kind == "uuid" or (kind == "mixed" and index % 3 == 0):
            return str(uuid.UUID(int=self.random.getrandbits(128)))
        # Gaps, and ids whose order as text is not their order as numbers; the largest is the largest there is.
        return 2**64 - 1 if index == 5 else index * 3 + 1

    def vectors(self):
        dense = self.spec.get("vectors", {})
        if list(dense) == [""] and not self.spec.get("sparse"):
            return self.dense(dense[""])
        named = {name: self.dense(vector) for name, vector in dense.items() if self.random.random() < 0.85}
        sparse = self.spec.get("sparse", {})
        named.update({name: self.sparse() for name in sparse if self.random.random() < 0.85})
        return named

    def dense(self, vector):
        if vector.get("multi"):
            return [self.row(vector) for _ in range(self.random.randint(1, 5))]
        return self.row(vector)

    def row(self, vector):
        if vector.get("datatype") == "Uint8":
            # Out of range on purpose, now and then: the engine clips.
            return [float(self.random.choice([self.random.randint(0, 255), 300, 12.7])) for _ in range(vector["size"])]
        if self.random.random() < 0.01:
            return [0.0] * vector["size"]
        return [self.random.gauss(0, 1) for _ in range(vector["size"])]

    def sparse(self):
        indices = sorted(self.random.sample(range(3000), self.random.randint(0, 12)))
        return {"indices": indices, "values": [self.random.uniform(0.01, 4) for _ in indices]}


class Maker:
    """A shard through its stages."""

    def __init__(self, kind, count, seed, folder):
        self.kind = kind
        self.spec = KINDS[kind]
        self.count = count
        self.source = Source(self.spec, f"{kind}/{seed}")
        self.folder = folder
        self.truth = []
        self.deleted = []

    def make(self, path):
        optimizers = {**OPTIMIZERS, **self.spec.get("optimizers", {})}
        shard = engine.create(path, {**self.spec, "optimizers": optimizers})
        self.write(shard)
        self.stage("0-written", shard, path)
        if engine.can_optimize():
            shard.optimize()
            self.stage("1-optimized", shard, path)
        self.change(shard)
        self.stage("2-changed", shard, path)
        if engine.can_optimize():
            shard.optimize()
            self.stage("3-reoptimized", shard, path)
        shard.close()

    def write(self, shard):
        indexes = self.spec.get("indexes") and engine.can_index()
        if indexes:
            self.index(shard, payloads.INDEXES)
        for batch in range(BATCHES):
            size = self.count // BATCHES if batch else self.count - self.count // BATCHES * (BATCHES - 1)
            upsert(shard, [self.source.point() for _ in range(size)])
            if self.spec.get("in_pieces") and engine.can_optimize() and batch + 1 < BATCHES:
                shard.optimize()
        if indexes:
            self.index(shard, payloads.LATER_INDEXES)
            self.index(shard, self.newest_indexes())

    def index(self, shard, fields):
        for field, parameters in fields.items():
            engine.index_field(shard, field, parameters)

    def newest_indexes(self):
        """Indexes that only the newest engines know."""
        found = {}
        if engine.accepts("KeywordIndexParams", "prefix"):
            found["words"] = {"type": "keyword", "prefix": True}
        if engine.accepts("TextIndexParams", "scoring"):
            found["nested.list[].y"] = {"type": "text", "scoring": True, "memory": "Cold"}
        return found

    def change(self, shard):
        """Every kind of update, on points of every part of the shard."""
        operation = edge.UpdateOperation
        ids = [record["id"] for record in engine.records(shard, payload=False, vector=False)]
        picks = self.source.random.sample(ids, len(ids))
        share = len(ids) // 24
        take = lambda parts: [picks.pop() for _ in range(parts * share)]
        inside = lambda some: [engine.id_in(one) for one in some]

        upsert(shard, [self.source.point(one) for one in take(2)])
        upsert(shard, [self.source.point() for _ in range(share)])
        shard.update(operation.set_payload(inside(take(1)), {"rank": 77, "added": {"by": ["set", None]}}))
        shard.update(operation.set_payload(inside(take(1)), {"b": 99, "new": True}, "nested.a"))
        shard.update(operation.overwrite_payload(inside(take(1)), {"city": "Praha", "only": 2**61 + 1}))
        shard.update(operation.delete_payload(inside(take(1)), ["text", "nested.a.b", "offers", "dotted.key"]))
        shard.update(operation.clear_payload(inside(take(1))[: share // 2]))
        moved = [edge.PointVectors(engine.id_in(one), engine.vectors_in(self.source.vectors())) for one in take(1)]
        shard.update(operation.update_vectors(moved))
        self.delete_vectors(shard, take)
        gone = take(2)
        shard.update(operation.delete_points(inside(gone)))
        back = gone[: len(gone) // 4]
        upsert(shard, [self.source.point(one) for one in back])
        filter = {"must": [{"key": "rank", "match": {"value": 3}}, {"has_id": take(1)}]}
        shard.update(operation.delete_points_by_filter(engine.filter_of(filter)))
        if self.spec.get("indexes") and engine.can_index():
            shard.update(operation.delete_field_index("big"))
            self.index(shard, {"number": {"type": "integer", "lookup": True, "range": True}})
        self.add_and_remove_vectors(shard)
        self.deleted = sorted(set(gone) - set(back), key=lambda one: (isinstance(one, str), one))

    def delete_vectors(self, shard, take):
        names = [*self.spec.get("vectors", {}), *self.spec.get("sparse", {})]
        for name in names if names != [""] else []:
            some = [engine.id_in(one) for one in take(1)]
            shard.update(edge.UpdateOperation.delete_vectors(some, [name]))

    def add_and_remove_vectors(self, shard):
        dense, sparse = self.spec.get("adds", {}), self.spec.get("adds_sparse", {})
        for name, vector in dense.items():
            distance = engine.member("Distance", vector["distance"])
            shard.update(edge.UpdateOperation.create_dense_vector(name, vector["size"], distance))
        for name in sparse:
            shard.update(edge.UpdateOperation.create_sparse_vector(name))
        if dense:
            self.source.spec = {**self.spec, "vectors": {**self.spec["vectors"], **dense}, "sparse": sparse}
            upsert(shard, [self.source.point() for _ in range(self.count // 10)])
        for name in self.spec.get("removes", []):
            shard.update(edge.UpdateOperation.delete_vector_name(name))

    def stage(self, tag, shard, path):
        """Notes what the engine says and packs the shard as a server does: flushed, open, and left alone meanwhile."""
        shard.flush()
        points = list(engine.records(shard))
        counted = engine.count(shard)
        info = shard.info()
        snapshot = self.folder / f"{tag}.snapshot"
        shard_tar.pack(path, snapshot, self.spec.get("layout", "streamed"))
        with open(self.folder / f"{tag}.points.jsonl", "w") as out:
            for point in points:
                out.write(json.dumps(point, ensure_ascii=False, allow_nan=False) + "\n")
        self.truth.append(self.described(tag, snapshot, points, counted, info))

    def described(self, tag, snapshot, points, counted, info):
        if counted != len(points):
            raise AssertionError(f"{tag}: the engine counts {counted} points and scrolls through {len(points)}")
        ids = [point["id"] for point in points]
        body = snapshot.read_bytes()
        step = max(1, len(points) // SAMPLE)
        return {
            "tag": tag,
            "size": len(body),
            "sha256": hashlib.sha256(body).hexdigest(),
            "points": counted,
            "segments": info.segments_count,
            "indexed": info.indexed_vectors_count,
            "indexed_fields": sorted(info.payload_schema),
            "ids_sha256": hashlib.sha256("\n".join(map(str, ids)).encode()).hexdigest(),
            "first_ids": ids[:5],
            "last_ids": ids[-5:],
            "sample": points[::step],
            "deleted_ids": self.deleted,
            "kind": self.kind,
            "what": self.spec["what"],
            "layout": self.spec.get("layout", "streamed"),
            "engine": engine.VERSION,
            "core": engine.core_version(),
        }


def upsert(shard, records):
    shard.update(edge.UpdateOperation.upsert_points(engine.points_of(records)))


def main():
    folder, kind, count, seed = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    if not KINDS[kind].get("needs", lambda: True)():
        print(f"unsupported: {kind} is not for {engine.VERSION}")
        return
    maker = Maker(kind, count, seed, folder)
    with engine.scratch() as scratch:
        try:
            maker.make(pathlib.Path(scratch) / "shard")
        except engine.Unsupported as reason:
            print(f"unsupported: {reason}")
            return
    (folder / "truth.json").write_text(json.dumps(maker.truth, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
