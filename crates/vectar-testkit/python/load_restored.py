"""Loads a shard snapshot with the engine's own code and says what is in it.

Usage: load_restored.py SNAPSHOT [WANTED]

SNAPSHOT is unpacked by `unpack_snapshot` and opened by `load`. WANTED is a file with a JSON list of ids, or with
`"all"`. Prints one JSON object: `count`, `ids_sha256` (SHA-256 over the ids in scroll order, one a line), and `points`:
the wanted ones as the engine retrieves them, in that order, absent ones left out; or all in scroll order. Exits 1 when
the engine refuses the snapshot.
"""

import hashlib
import json
import pathlib
import sys

import engine


def described(shard, ids):
    points = list(engine.records(shard, payload=ids == "all", vector=ids == "all"))
    spelled = "\n".join(str(point["id"]) for point in points)
    digest = hashlib.sha256(spelled.encode()).hexdigest()
    if ids != "all":
        found = {point["id"]: point for point in (engine.retrieve(shard, ids) if ids else [])}
        points = [found[one] for one in ids if one in found]
    return {"count": engine.count(shard), "ids_sha256": digest, "engine": engine.VERSION, "points": points}


def main():
    snapshot = pathlib.Path(sys.argv[1])
    ids = json.loads(pathlib.Path(sys.argv[2]).read_text()) if len(sys.argv) > 2 else []
    with engine.scratch() as scratch:
        try:
            shard = engine.unpack_and_load(snapshot, scratch)
            answer = described(shard, ids)
            shard.close()
        except Exception as error:
            sys.exit(f"error: {error}")
    print(json.dumps(answer, ensure_ascii=False))


if __name__ == "__main__":
    main()
