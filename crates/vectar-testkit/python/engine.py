"""One way to use qdrant-edge from 0.3.0 to 0.9.0: what differs between the versions is settled here.

Nothing else in this folder asks for a version number. What a version cannot do raises `Unsupported`, so that a caller
can leave it out and say so.

| since | what changed |
| --- | --- |
| 0.4.0 | `Shard` became `EdgeShard` |
| 0.5.0 | `SegmentConfig` became `EdgeConfig`; storage and index types are no longer given |
| 0.6.0 | `EdgeConfig(vectors=…)` with optimizers; `create`, `load` and `optimize`; payload indexes; `update_mode` |
| 0.7.0 | TurboQuant, vectors added and removed by name |
| 0.8.0 | `MatchPrefix`, `SliceCondition`, the keyword index's `prefix` |
| 0.9.0 | `Memory` in place of `on_disk`, `MatchSubstring`, 8 and 16 bit TurboQuant datatypes, shards without a WAL |
"""

import importlib.metadata
import json
import os
import pathlib
import tempfile
import uuid

import qdrant_edge as edge

VERSION = importlib.metadata.version("qdrant-edge-py")

# Read from the package's bill of materials, which 0.6.0 was the first to carry; 0.3.0 to 0.5.0 were built from
# the development tree after 1.16.3 (December 2025, January 2026).
_CORE_BEFORE_BILLS = "1.16.3-dev"

_SHARD = getattr(edge, "EdgeShard", None) or edge.Shard
_CONFIG = getattr(edge, "EdgeConfig", None) or edge.SegmentConfig

SCROLL_PAGE = 1000
# Several times what the largest of the small shards takes, in several processes at once.
_MEMORY_BYTES_MIN = 1 << 30


class Unsupported(Exception):
    """This version of the engine cannot do that."""


def core_version():
    """The version of Qdrant whose code this package is, as far as the package tells."""
    for file in importlib.metadata.files("qdrant-edge-py") or []:
        if file.name.endswith(".cyclonedx.json"):
            bill = json.loads(file.locate().read_text())
            versions = [part["version"] for part in bill["components"] if part["name"] == "api"]
            if versions:
                return versions[0]
    return _CORE_BEFORE_BILLS


def scratch():
    """A temporary folder, in memory where there is room, because the engine waits for the disk a lot."""
    memory = pathlib.Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK):
        status = os.statvfs(memory)
        if status.f_bavail * status.f_frsize >= _MEMORY_BYTES_MIN:
            return tempfile.TemporaryDirectory(dir=memory)
    return tempfile.TemporaryDirectory()


def can_optimize():
    return hasattr(_SHARD, "optimize")


def can_index():
    return hasattr(edge.UpdateOperation, "create_field_index")


def accepts(kind, parameter):
    """Whether the class or method named `kind` takes this parameter."""
    signature = getattr(edge, kind).__text_signature__ if hasattr(edge, kind) else None
    return signature is not None and f"{parameter}=" in signature.replace(" ", "")


def member(kind, name):
    """`edge.<kind>.<name>`, an enumeration's member or a type's method."""
    found = getattr(getattr(edge, kind, None), name, None)
    if found is None:
        raise Unsupported(f"{kind}.{name} is not in {VERSION}")
    return found


def call(kind, **arguments):
    """Calls `edge.<kind>` with the arguments that are not None."""
    if not hasattr(edge, kind):
        raise Unsupported(f"{kind} is not in {VERSION}")
    try:
        return getattr(edge, kind)(**{name: value for name, value in arguments.items() if value is not None})
    except TypeError as error:
        raise Unsupported(f"{kind}: {error}") from error


# ---------------------------------------------------------------------------------------------------------------- shards


def create(path, spec):
    """Creates a shard in a new folder, from a description of this shape (all but `size` and `distance` optional):

    {"vectors": {NAME: {"size", "distance", "datatype", "multi", "on_disk", "memory", "quantization", "hnsw"}},
     "sparse": {NAME: {"modifier", "datatype", "on_disk", "memory", "full_scan_threshold"}},
     "payload_on_disk", "optimizers": {…}, "hnsw": {…}, "memory": {"payload", "ids"}, "wal"}
    """
    os.makedirs(path)
    config = _config(spec)
    if hasattr(_SHARD, "create"):
        return _SHARD.create(str(path), config)
    return _SHARD(str(path), config)


def load(path):
    """Opens a shard with what it says about itself."""
    if hasattr(_SHARD, "load"):
        return _SHARD.load(str(path))
    return _SHARD(str(path), None)


def load_as(path, spec):
    """Opens a shard with another description of it; what is different makes the optimizer rebuild its segments."""
    try:
        return _SHARD.load(str(path), _config(spec))
    except (AttributeError, TypeError) as error:
        raise Unsupported(f"changing the configuration of a shard: {error}") from error


def unpack_and_load(snapshot, folder):
    """Unpacks a snapshot below `folder`, which exists, and opens the shard in it."""
    target = pathlib.Path(folder) / "shard"
    _SHARD.unpack_snapshot(str(snapshot), str(target))
    return load(target)


def _config(spec):
    dense = {name: _dense(vector) for name, vector in spec.get("vectors", {}).items()}
    sparse = {name: _sparse(vector) for name, vector in spec.get("sparse", {}).items()}
    if _CONFIG.__name__ == "SegmentConfig":
        storage = member("PayloadStorageType", "Mmap" if spec.get("payload_on_disk", True) else "InRamMmap")
        return _CONFIG(dense, sparse, storage)
    if "vector_data" in _CONFIG.__text_signature__:
        return _CONFIG(dense, sparse)
    if list(dense) == [""]:
        dense = dense[""]
    arguments = {
        "vectors": dense or None,
        "sparse_vectors": sparse or None,
        "on_disk_payload": spec.get("payload_on_disk"),
        "hnsw_config": _hnsw(spec.get("hnsw")),
        "optimizers": call("EdgeOptimizersConfig", **spec.get("optimizers", {})),
        "wal_enabled": spec.get("wal"),
        "payload_memory": _memory(spec.get("memory", {}).get("payload")),
        "id_tracker_memory": _memory(spec.get("memory", {}).get("ids")),
    }
    return call(_CONFIG.__name__, **arguments)


def _dense(vector):
    common = {
        "size": vector["size"],
        "distance": member("Distance", vector["distance"]),
        "datatype": member("VectorStorageDatatype", vector["datatype"]) if "datatype" in vector else None,
        "multivector_config": (
            call("MultiVectorConfig", comparator=member("MultiVectorComparator", "MaxSim")) if vector.get("multi") else None
        ),
        "quantization_config": _quantization(vector.get("quantization")),
    }
    if hasattr(edge, "EdgeVectorParams"):
        placed = {"on_disk": vector.get("on_disk"), "memory": _memory(vector.get("memory"))}
        return call("EdgeVectorParams", **common, **placed, hnsw_config=_hnsw(vector.get("hnsw")))
    if "storage_type" in edge.VectorDataConfig.__text_signature__:
        storage = member("VectorStorageType", "ChunkedMmap" if vector.get("on_disk") else "InRamChunkedMmap")
        return call("VectorDataConfig", **common, storage_type=storage, index=edge.PlainIndexConfig())
    return call("VectorDataConfig", **common)


def _sparse(vector):
    modifier = member("Modifier", vector["modifier"]) if "modifier" in vector else None
    datatype = member("VectorStorageDatatype", vector["datatype"]) if "datatype" in vector else None
    threshold = vector.get("full_scan_threshold")
    if hasattr(edge, "EdgeSparseVectorParams"):
        placed = {"on_disk": vector.get("on_disk"), "memory": _memory(vector.get("memory"))}
        index = {"modifier": modifier, "datatype": datatype, "full_scan_threshold": threshold}
        return call("EdgeSparseVectorParams", **index, **placed)
    if "index_type" in edge.SparseIndexConfig.__text_signature__:
        mutable = member("SparseIndexType", "MutableRam")
        index = call("SparseIndexConfig", full_scan_threshold=threshold, index_type=mutable, datatype=datatype)
        stored = member("SparseVectorStorageType", "Mmap")
        return call("SparseVectorDataConfig", index=index, storage_type=stored, modifier=modifier)
    index = call("SparseIndexConfig", full_scan_threshold=threshold, datatype=datatype)
    return call("SparseVectorDataConfig", index=index, modifier=modifier)


def _quantization(spec):
    # An engine without an optimizer has no segments but appendable ones, and those quantize in the binary way only.
    if spec is None or (spec["kind"] != "binary" and not can_optimize()):
        return None
    ram = {"always_ram": spec.get("always_ram")}
    match spec["kind"]:
        case "scalar":
            scalar = member("ScalarType", "Int8")
            return call("ScalarQuantizationConfig", type=scalar, quantile=spec.get("quantile"), **ram)
        case "product":
            return call("ProductQuantizationConfig", compression=member("CompressionRatio", spec["compression"]), **ram)
        case "binary":
            encoding = member("BinaryQuantizationEncoding", spec["encoding"]) if "encoding" in spec else None
            return call("BinaryQuantizationConfig", encoding=encoding, **ram)
        case "turbo":
            bits = member("TurboQuantBitSize", spec["bits"])
            return call("TurboQuantQuantizationConfig", bits=bits, **ram)


def _hnsw(spec):
    return None if spec is None else call("HnswIndexConfig", **spec)


def _memory(name):
    return None if name is None else member("Memory", name)


# --------------------------------------------------------------------------------------------------------------- updates


def points_of(records):
    """Engine points from JSON ones; the points must have a `vector`."""
    return [edge.Point(record["id"], vectors_in(record["vector"]), record.get("payload")) for record in records]


def vectors_in(vector):
    """The engine's form of a JSON vector: sparse ones are objects with `indices` and `values`."""
    if isinstance(vector, dict):
        return {name: _vector_in(one) for name, one in vector.items()}
    return vector


def _vector_in(vector):
    if isinstance(vector, dict):
        return edge.SparseVector(vector["indices"], vector["values"])
    return vector


def index_field(shard, field, spec):
    """Creates a payload index: `spec` is `{"type": "keyword", …}` with the parameters of that type."""
    if not can_index():
        raise Unsupported(f"payload indexes cannot be made by {VERSION}")
    parameters = dict(spec)
    kind = parameters.pop("type")
    if "tokenizer" in parameters:
        parameters["tokenizer"] = member("TokenizerType", parameters["tokenizer"])
    if "memory" in parameters:
        parameters["memory"] = _memory(parameters["memory"])
    schema = call(f"{kind.capitalize()}IndexParams", **parameters)
    shard.update(edge.UpdateOperation.create_field_index(field, schema))


# --------------------------------------------------------------------------------------------------------------- reading


def records(shard, filter=None, payload=True, vector=True):
    """Every matching point in scroll order, as JSON: `id`, `payload`, `vector`."""
    offset = None
    while True:
        request = edge.ScrollRequest(
            offset=offset, limit=SCROLL_PAGE, filter=filter, with_payload=payload, with_vector=vector
        )
        page, offset = shard.scroll(request)
        for record in page:
            yield record_out(record)
        if offset is None:
            return


def record_out(record):
    return {"id": id_out(record.id), "payload": record.payload, "vector": _vectors_out(record.vector)}


def id_out(point_id):
    return point_id if isinstance(point_id, int) else str(point_id)


def id_in(point_id):
    return point_id if isinstance(point_id, int) else uuid.UUID(point_id)


def _vectors_out(vector):
    if isinstance(vector, dict):
        return {name: _vector_out(one) for name, one in sorted(vector.items())}
    return _vector_out(vector)


def _vector_out(vector):
    if isinstance(vector, edge.SparseVector):
        return {"indices": vector.indices, "values": vector.values}
    return vector


def count(shard, filter=None):
    return shard.count(edge.CountRequest(exact=True, filter=filter))


def retrieve(shard, ids):
    return [record_out(record) for record in shard.retrieve([id_in(one) for one in ids], True, True)]


# --------------------------------------------------------------------------------------------------------------- filters


def filter_of(body):
    """The engine's filter from Qdrant's REST JSON."""
    unknown = set(body) - {"must", "should", "must_not", "min_should"}
    if unknown:
        raise Unsupported(f"a filter with {sorted(unknown)}")
    clauses = {name: _conditions(body[name]) for name in ("must", "should", "must_not") if body.get(name) is not None}
    if body.get("min_should") is not None:
        at_least = body["min_should"]
        clauses["min_should"] = edge.MinShould(_conditions(at_least["conditions"]), at_least["min_count"])
    return edge.Filter(**clauses)


def _conditions(bodies):
    # The REST interface takes a single condition in place of a list.
    return [condition_of(body) for body in (bodies if isinstance(bodies, list) else [bodies])]


def condition_of(body):
    match list(body):
        case ["is_empty"]:
            return edge.IsEmptyCondition(body["is_empty"]["key"])
        case ["is_null"]:
            return edge.IsNullCondition(body["is_null"]["key"])
        case ["has_id"]:
            return edge.HasIdCondition({id_in(one) for one in body["has_id"]})
        case ["has_vector"]:
            return edge.HasVectorCondition(body["has_vector"])
        case ["nested"]:
            return edge.NestedCondition(body["nested"]["key"], filter_of(body["nested"]["filter"]))
        case ["slice"]:
            return call("SliceCondition", **body["slice"])
    if "key" in body:
        return _field_condition(body)
    return filter_of(body)


def _field_condition(body):
    body = dict(body)
    arguments = {"key": body.pop("key")}
    makers = {
        "match": _match,
        "range": _range,
        "geo_bounding_box": lambda box: edge.GeoBoundingBox(_point(box["top_left"]), _point(box["bottom_right"])),
        "geo_radius": lambda circle: edge.GeoRadius(_point(circle["center"]), circle["radius"]),
        "geo_polygon": _polygon,
        "values_count": lambda bounds: edge.ValuesCount(**bounds),
        "is_empty": bool,
        "is_null": bool,
    }
    for name, value in body.items():
        if name not in makers:
            raise Unsupported(f"a condition on a field with {name}")
        arguments[name] = makers[name](value)
    return edge.FieldCondition(**arguments)


def _match(body):
    [(name, value)] = body.items()
    kinds = {
        "value": "MatchValue",
        "any": "MatchAny",
        "except": "MatchExcept",
        "text": "MatchText",
        "text_any": "MatchTextAny",
        "phrase": "MatchPhrase",
        "prefix": "MatchPrefix",
        "substring": "MatchSubstring",
    }
    if not hasattr(edge, kinds[name]):
        raise Unsupported(f"match {name} is not in {VERSION}")
    return getattr(edge, kinds[name])(_Bool(value) if isinstance(value, bool) else value)


class _Bool:
    """A bool that is no integer: the engine takes Python's own for 0 and 1, and numpy's, which this poses as, for what it is."""

    def __init__(self, value):
        self.value = value

    def __bool__(self):
        return self.value


_Bool.__module__, _Bool.__name__, _Bool.__qualname__ = "numpy", "bool", "bool"


def _range(bounds):
    if any(isinstance(bound, str) for bound in bounds.values()):
        return edge.RangeDateTime(**bounds)
    return edge.RangeFloat(**{name: float(bound) for name, bound in bounds.items()})


def _point(point):
    return edge.GeoPoint(point["lon"], point["lat"])


def _polygon(body):
    rings = [[_point(point) for point in ring["points"]] for ring in [body["exterior"], *(body.get("interiors") or [])]]
    return edge.GeoPolygon(rings[0], rings[1:] or None)
