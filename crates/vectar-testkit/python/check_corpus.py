"""Loads shard snapshots of a corpus with qdrant-edge and compares them with truth.json.

Usage: check_corpus.py CORPUS_DIR

Every snapshot named in CORPUS_DIR/truth.json is unpacked and loaded; the count of points, the scroll order and digest
of their ids, and payload and vector of each sampled point must be what truth.json says, and deleted points must be
gone. Exits 1 with the first difference.
"""

import hashlib
import json
import pathlib
import sys
import tempfile

import qdrant_edge

VECTOR_TOLERANCE = 1e-6


def fail(message):
    sys.exit(f"error: {message}")


def ids_in_scroll_order(shard):
    ids = []
    offset = None
    while True:
        request = qdrant_edge.ScrollRequest(offset=offset, limit=1000, with_payload=False, with_vector=False)
        records, offset = shard.scroll(request)
        ids.extend(record.id for record in records)
        if offset is None:
            return ids


def spell(point_id):
    return str(point_id)


def check_sample(tag, shard, expected):
    records = shard.retrieve([expected["id"]], True, True)
    if len(records) != 1:
        fail(f"{tag}: point {expected['id']} is missing")
    record = records[0]
    if record.payload != expected["payload"]:
        fail(f"{tag}: point {expected['id']}: payload is {record.payload}, expected {expected['payload']}")
    vector = record.vector
    if len(vector) != len(expected["vector"]):
        fail(f"{tag}: point {expected['id']}: {len(vector)} components, expected {len(expected['vector'])}")
    worst = max(abs(a - b) for a, b in zip(vector, expected["vector"]))
    if worst > VECTOR_TOLERANCE:
        fail(f"{tag}: point {expected['id']}: a component is off by {worst}")


def check_search(tag, shard, expected):
    query = qdrant_edge.Query.Nearest(expected["vector"])
    found = shard.query(qdrant_edge.QueryRequest(query=query, limit=1, params=qdrant_edge.SearchParams(exact=True)))
    if not found or spell(found[0].id) != spell(expected["id"]):
        fail(f"{tag}: the nearest point to the vector of {expected['id']} is {found}")


def check_snapshot(folder, truth):
    tag = truth["tag"]
    with tempfile.TemporaryDirectory() as target:
        path = pathlib.Path(target) / "shard"
        qdrant_edge.EdgeShard.unpack_snapshot(str(folder / f"{tag}.snapshot"), str(path))
        shard = qdrant_edge.EdgeShard.load(str(path))
        count = shard.count(qdrant_edge.CountRequest(exact=True))
        if count != truth["points"]:
            fail(f"{tag}: {count} points, expected {truth['points']}")
        ids = "\n".join(spell(point_id) for point_id in ids_in_scroll_order(shard))
        if hashlib.sha256(ids.encode()).hexdigest() != truth["ids_sha256"]:
            fail(f"{tag}: the ids are others, or in another order")
        for expected in truth["sample"]:
            check_sample(tag, shard, expected)
        check_search(tag, shard, truth["sample"][0])
        if truth["deleted_ids"] and shard.retrieve(truth["deleted_ids"], False, False):
            fail(f"{tag}: a deleted point is still there")
        shard.close()
    print(f"{tag}: {truth['points']} points, {len(truth['sample'])} samples agree")


def main():
    folder = pathlib.Path(sys.argv[1])
    truth = json.loads((folder / "truth.json").read_text())
    if not truth:
        fail("truth.json is empty")
    for snapshot in truth:
        check_snapshot(folder, snapshot)


if __name__ == "__main__":
    main()
