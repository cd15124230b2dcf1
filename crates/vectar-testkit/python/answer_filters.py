"""Answers filters by the engine's own scroll.

Usage: answer_filters.py SHARD FILTERS

SHARD is a shard snapshot or the folder of a shard (which is copied, because opening writes). FILTERS is JSON Lines, one
filter a line in Qdrant's REST JSON. Prints one line for each, in order: `{"ids": [...]}` in scroll order, or
`{"error": "..."}` where the engine refuses the filter, this version does not know one of its conditions, or its count
and its scroll disagree.
"""

import json
import pathlib
import shutil
import sys

import engine


def answer(shard, body):
    try:
        filter = engine.filter_of(body)
        ids = [record["id"] for record in engine.records(shard, filter, payload=False, vector=False)]
        counted = engine.count(shard, filter)
    # The engine raises plain exceptions, and its conversions raise TypeError, ValueError and OverflowError.
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    if counted != len(ids):
        return {"error": f"the engine counts {counted} points and scrolls through {len(ids)}"}
    return {"ids": ids}


def opened(source, scratch):
    if source.is_dir():
        copy = pathlib.Path(scratch) / "copy"
        shutil.copytree(source, copy)
        return engine.load(copy)
    return engine.unpack_and_load(source, scratch)


def main():
    source, filters = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    with engine.scratch() as scratch:
        shard = opened(source, scratch)
        for line in filters.read_text().splitlines():
            print(json.dumps(answer(shard, json.loads(line))))
        shard.close()


if __name__ == "__main__":
    main()
