"""The kinds of shard that `make_shards.py` makes: what is stored, under which ids, in which layout, since when.

`needs` names what an engine must have; a kind it cannot make is left out and said so.
"""

import engine

# Small enough that a few hundred points are indexed, merged and vacuumed.
OPTIMIZERS = {
    "indexing_threshold": 1,
    "default_segment_number": 2,
    "vacuum_min_vector_number": 100,
    "deleted_threshold": 0.05,
}


def dense(size, distance, **more):
    return {"size": size, "distance": distance, **more}


KINDS = {
    "indexed": {
        "what": "unnamed cosine vectors; a payload index of every type",
        "ids": "number",
        "indexes": True,
        "vectors": {"": dense(12, "Cosine")},
    },
    "bare": {
        "what": "unnamed dot vectors, mixed ids, payload in RAM, no payload index",
        "ids": "mixed",
        "layout": "regular",
        "payload_on_disk": False,
        "vectors": {"": dense(10, "Dot")},
    },
    "disk": {
        "what": "unnamed euclid vectors on disk with scalar quantization, UUID ids",
        "ids": "uuid",
        "vectors": {"": dense(24, "Euclid", on_disk=True, quantization={"kind": "scalar", "quantile": 0.99, "always_ram": True})},
    },
    "named": {
        "what": "named vectors of every datatype and distance, a multivector, some missing",
        "ids": "number",
        "layout": "regular",
        "indexes": True,
        "vectors": {
            "title": dense(16, "Cosine"),
            "image": dense(9, "Dot", datatype="Float16", on_disk=True),
            "tiny": dense(7, "Euclid", datatype="Uint8"),
            "walk/ž": dense(5, "Manhattan", hnsw={"m": 4, "ef_construct": 16, "full_scan_threshold": 10, "on_disk": True}),
            "pages": dense(4, "Cosine", multi=True, datatype="Float16"),
            "bits": dense(6, "Cosine", datatype="Uint8"),
        },
    },
    "multi": {
        "what": "unnamed multivectors, UUID ids",
        "ids": "uuid",
        "vectors": {"": dense(6, "Cosine", multi=True, on_disk=True)},
    },
    "multinamed": {
        "what": "named multivectors of every datatype, one of them quantized",
        "ids": "mixed",
        "vectors": {
            "full": dense(8, "Dot", multi=True),
            "bytes": dense(8, "Euclid", multi=True, datatype="Uint8", on_disk=True),
            "scalar": dense(8, "Cosine", multi=True, quantization={"kind": "scalar", "always_ram": False}),
        },
    },
    "sparse": {
        "what": "sparse vectors only, UUID ids",
        "ids": "uuid",
        "layout": "regular",
        "sparse": {
            "words": {"modifier": "Idf"},
            "half": {"datatype": "Float16", "on_disk": True},
            "bytes": {"datatype": "Uint8", "full_scan_threshold": 10},
        },
    },
    "hybrid": {
        "what": "a dense and a sparse vector, mixed ids, payload indexes",
        "ids": "mixed",
        "indexes": True,
        "vectors": {"text": dense(11, "Cosine")},
        "sparse": {"words": {"on_disk": True}},
    },
    "quantized": {
        "what": "scalar, product and binary quantization, in RAM and on disk",
        "ids": "number",
        "vectors": {
            "scalar": dense(32, "Cosine", quantization={"kind": "scalar", "quantile": 0.95, "always_ram": False}, on_disk=True),
            "product": dense(32, "Dot", quantization={"kind": "product", "compression": "X16", "always_ram": True}),
            "binary": dense(64, "Cosine", quantization={"kind": "binary", "always_ram": True}),
            "binary2": dense(64, "Euclid", quantization={"kind": "binary", "encoding": "TwoBits"}, on_disk=True),
        },
    },
    "pieces": {
        "what": "several optimized segments, made one after another, mixed ids",
        "ids": "mixed",
        "in_pieces": True,
        "optimizers": {"default_segment_number": 6, "deleted_threshold": 0.5},
        "vectors": {"": dense(14, "Manhattan", on_disk=True)},
    },
    "turbo": {
        "what": "TurboQuant quantization",
        "ids": "number",
        "needs": lambda: hasattr(engine.edge, "TurboQuantQuantizationConfig"),
        "vectors": {
            "bits4": dense(32, "Cosine", quantization={"kind": "turbo", "bits": "Bits4", "always_ram": True}),
            "bits1": dense(32, "Dot", quantization={"kind": "turbo", "bits": "Bits1"}, on_disk=True),
        },
    },
    "turbo4": {
        "what": "the Turbo4 datatype",
        "ids": "number",
        # 0.7 knows its name and panics.
        "needs": lambda: hasattr(engine.edge, "MatchPrefix"),
        "vectors": {
            "cosine4": dense(33, "Cosine", datatype="Turbo4"),
            "euclid4": dense(32, "Euclid", datatype="Turbo4", on_disk=True),
            "dot4": dense(16, "Dot", datatype="Turbo4"),
            "multi4": dense(16, "Cosine", datatype="Turbo4", multi=True),
        },
    },
    "turbowide": {
        "what": "the Turbo8 and Turbo16 datatypes",
        "ids": "number",
        "needs": lambda: hasattr(engine.edge.VectorStorageDatatype, "Turbo8"),
        "vectors": {
            "cosine8": dense(32, "Cosine", datatype="Turbo8", on_disk=True),
            "euclid16": dense(17, "Euclid", datatype="Turbo16"),
            "multi8": dense(16, "Dot", datatype="Turbo8", multi=True),
        },
    },
    "placed": {
        "what": "every component placed by hand: cold, cached, pinned; no WAL; id tracker on disk",
        "ids": "mixed",
        "indexes": True,
        "needs": lambda: hasattr(engine.edge, "Memory"),
        "wal": False,
        "memory": {"payload": "Cached", "ids": "Cold"},
        "vectors": {
            "cold": dense(16, "Cosine", memory="Cold"),
            "cached": dense(16, "Dot", memory="Cached", datatype="Float16"),
            "warm": dense(8, "Euclid", memory="Cold", quantization={"kind": "binary"}),
        },
        "sparse": {"pinned": {"memory": "Pinned"}, "frozen": {"memory": "Cold", "datatype": "Float16"}},
    },
    "inline": {
        # With 0.9.0 such a segment has no vector files: the graph holds the only copy.
        "what": "vectors stored inline in the graph",
        "ids": "number",
        "needs": engine.can_optimize,
        "vectors": {
            "": dense(
                32,
                "Cosine",
                on_disk=True,
                quantization={"kind": "binary"},
                hnsw={"m": 8, "ef_construct": 32, "full_scan_threshold": 10, "inline_storage": True},
            ),
        },
    },
    "added": {
        "what": "vectors added and removed by name after points were written",
        "ids": "number",
        "needs": lambda: hasattr(engine.edge.UpdateOperation, "create_dense_vector"),
        "vectors": {"first": dense(8, "Cosine"), "second": dense(4, "Dot")},
        "adds": {"third": dense(6, "Euclid")},
        "adds_sparse": {"late": {}},
        "removes": ["second"],
    },
}
