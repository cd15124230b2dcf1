"""Opens one shard snapshot with Qdrant's own engine and answers questions about it, one JSON object a line.

    {"do": "load", "snapshot": PATH, "folder": PATH}    {"count": N}
    {"do": "ids", "besides": [ID, …]}                   {"count": N, "sha256": of all other ids in scroll order, one a line}
    {"do": "points", "ids": [ID, …]}                    {"points": [{"id", "payload", "vector"}, …]}
    {"do": "search", "using": NAME or null, "vector": …, "among": [ID, …] or null, "exact": bool, "limit": N}
                                                        {"hits": [[ID, SCORE], …]}
    {"do": "close"}                                     {"closed": true}

The first line is said without being asked: {"engine": VERSION, "python": VERSION}. What goes wrong is
{"error": TEXT, "kind": "no-package" | "refused" | "no-space"}. It ends when nobody asks any more.
"""

import errno
import hashlib
import importlib.metadata
import json
import math
import pathlib
import platform
import sys
import uuid

PAGE = 1000


def finite(value):
    """What is no number has no place in JSON."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [finite(one) for one in value]
    if isinstance(value, dict):
        return {name: finite(one) for name, one in value.items()}
    return value


def say(answer):
    try:
        line = json.dumps(answer, ensure_ascii=False, allow_nan=False)
    except ValueError:
        line = json.dumps(finite(answer), ensure_ascii=False)
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def is_full(error):
    full = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
    spelled = ("No space left", "os error 28", "os error 122", "os error 27", "StorageFull")
    return getattr(error, "errno", None) in full or any(text in str(error) for text in spelled)


def id_in(one):
    return one if isinstance(one, int) else uuid.UUID(one)


def id_out(one):
    return one if isinstance(one, int) else str(one)


def vector_out(vector):
    if isinstance(vector, dict):
        return {name: vector_out(one) for name, one in vector.items()}
    if isinstance(vector, edge.SparseVector):
        return {"indices": list(vector.indices), "values": list(vector.values)}
    return vector


def vector_in(vector):
    return edge.SparseVector(vector["indices"], vector["values"]) if isinstance(vector, dict) else vector


class Shard:
    def load(self, snapshot, folder):
        kind = getattr(edge, "EdgeShard", None) or edge.Shard
        target = str(pathlib.Path(folder) / "shard")
        kind.unpack_snapshot(snapshot, target)
        self.shard = kind.load(target) if hasattr(kind, "load") else kind(target, None)
        return {"count": self.shard.count(edge.CountRequest(exact=True))}

    def ids(self, besides):
        digest, count, offset, besides = hashlib.sha256(), 0, None, set(besides)
        while True:
            request = edge.ScrollRequest(offset=offset, limit=PAGE, with_payload=False, with_vector=False)
            page, offset = self.shard.scroll(request)
            for said in (id_out(record.id) for record in page):
                if said not in besides:
                    digest.update(f"{said}\n".encode())
                    count += 1
            if offset is None:
                return {"count": count, "sha256": digest.hexdigest()}

    def points(self, ids):
        found = self.shard.retrieve([id_in(one) for one in ids], True, True)
        return {
            "points": [
                {"id": id_out(one.id), "payload": one.payload, "vector": vector_out(one.vector)} for one in found
            ]
        }

    def search(self, using, vector, among, exact, limit):
        wanted = None if among is None else edge.Filter(must=[edge.HasIdCondition({id_in(one) for one in among})])
        query = edge.Query.Nearest(vector_in(vector), using)
        parameters = edge.SearchParams(exact=exact)
        hits = self.shard.query(edge.QueryRequest(limit=limit, query=query, filter=wanted, params=parameters))
        return {"hits": [[id_out(hit.id), hit.score] for hit in hits]}

    def close(self):
        if hasattr(self.shard, "close"):
            self.shard.close()
        return {"closed": True}


def answer(shard, question):
    asked = question.pop("do")
    try:
        say(getattr(shard, asked)(**question))
    except KeyboardInterrupt:
        raise
    # The engine's panics are no Exception.
    except BaseException as error:
        say({"error": str(error) or type(error).__name__, "kind": "no-space" if is_full(error) else "refused"})


def main():
    shard = Shard()
    for line in sys.stdin:
        answer(shard, json.loads(line))


# As UTF-8 text in other scripts takes a third of what it takes in escapes. What is no text, such as a path in a message, is not worth failing.
sys.stdout.reconfigure(encoding="utf-8", errors="replace")

try:
    import qdrant_edge as edge

    say({"engine": importlib.metadata.version("qdrant-edge-py"), "python": platform.python_version()})
except Exception as error:
    say({"error": str(error), "kind": "no-package"})
else:
    main()
