"""Packs the folder of a shard as Qdrant's server packs a shard snapshot, because the engine alone makes none.

Two layouts (format reference §2.4): `streamed` has each segment's files below `segments/<uuid>/files/`, `regular` has
a nested tar `segments/<uuid>.tar` per segment, with the files below `snapshot/files/` and no end-of-archive blocks.
Files with holes become old-GNU sparse entries whose map is what the file system says (SEEK_DATA, SEEK_HOLE), ended by
an empty extent at the end of the file; a file of which no block was written is one hole. Headers are those of the
server's `tar` library: style A for files, style B for what is made in memory.
"""

import errno
import io
import os
import pathlib

BLOCK = 512
IN_HEADER = 4
IN_EXTENSION = 21
COPY_BYTES = 1 << 20
FILE_SYSTEM_BLOCK = 4096
# In shorter runs of data nobody looks for zeros.
ZERO_BYTES_MIN = 1 << 16
ZEROS = bytes(ZERO_BYTES_MIN)

REPLICA_STATE = b'{"is_local":true,"this_peer_id":1,"peers":{"1":"Active"}}'
SHARD_CONFIG = b'{"type":"ReplicaSet"}'
CLOCKS = b'{"clocks":[]}'


def pack(shard, snapshot, layout):
    """Writes the snapshot of a flushed shard that nobody writes to; returns nothing. `layout` is `streamed` or `regular`."""
    shard = pathlib.Path(shard)
    with open(snapshot, "wb") as out:
        for segment in sorted((shard / "segments").iterdir()):
            if not segment.is_dir() or segment.name.startswith("."):
                continue
            if layout == "streamed":
                _folder(out, segment, f"segments/{segment.name}/files/")
            else:
                nested = io.BytesIO()
                _folder(nested, segment, "snapshot/files/")
                _memory(out, f"segments/{segment.name}.tar", nested.getvalue())
        _memory(out, "newest_clocks.json", CLOCKS)
        _memory(out, "oldest_clocks.json", CLOCKS)
        wal = shard / "wal"
        if wal.is_dir():
            _directory(out, "wal/", wal)
            _folder(out, wal, "wal/")
        _memory(out, "replica_state.json", REPLICA_STATE)
        _memory(out, "shard_config.json", SHARD_CONFIG)
        out.write(bytes(2 * BLOCK))


def _folder(out, folder, prefix):
    """Files below a folder, in the order of their names, but a Gridstore's tracker before its pages, and `segment.json` and
    `version.info` last."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    files.sort(key=lambda path: (path.parent.parts, path.name != "tracker.dat", path.name))
    last = ["segment.json", "version.info"]
    files.sort(key=lambda path: last.index(path.name) + 1 if path.parent == folder and path.name in last else 0)
    for path in files:
        _file(out, prefix + path.relative_to(folder).as_posix(), path)


def _file(out, name, path):
    with open(path, "rb") as file:
        status = os.fstat(file.fileno())
        extents = _extents(file.fileno(), status)
        if extents is None:
            out.write(_header(name, status.st_mode, status.st_size, int(status.st_mtime), b"0"))
            _copy(out, file, 0, status.st_size)
            _pad(out, status.st_size)
            return
        stored = sum(length for _, length in extents)
        sparse = (extents, status.st_size)
        out.write(_header(name, status.st_mode, stored, int(status.st_mtime), b"S", sparse))
        for offset, length in extents:
            _copy(out, file, offset, length)
        _pad(out, stored)


def _extents(descriptor, status):
    """The runs of data of a file with holes, or None where there is no hole."""
    size = status.st_size
    if size > 0 and status.st_blocks == 0:
        return [(size, 0)]
    found = []
    at = 0
    while at < size:
        try:
            start = os.lseek(descriptor, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            break
        at = os.lseek(descriptor, start, os.SEEK_HOLE)
        found.extend(_without_zeros(descriptor, start, at))
    if found == [(0, size)] or size == 0:
        return None
    return [*found, (size, 0)]


def _without_zeros(descriptor, start, end):
    """The parts of a run of data between blocks of zeros: a file system in memory fills a hole that is read."""
    if end - start < ZERO_BYTES_MIN:
        return [(start, end - start)]
    found = []
    for at, length in _not_zero(descriptor, start, end, ZERO_BYTES_MIN):
        for at, length in _not_zero(descriptor, at, at + length, FILE_SYSTEM_BLOCK):
            if found and sum(found[-1]) == at:
                found[-1] = (found[-1][0], found[-1][1] + length)
            else:
                found.append((at, length))
    return found


def _not_zero(descriptor, start, end, step):
    for at in range(start, end, step):
        length = min(step, end - at)
        if os.pread(descriptor, length, at) != ZEROS[:length]:
            yield at, length


def _copy(out, file, offset, length):
    file.seek(offset)
    while length > 0:
        piece = file.read(min(length, COPY_BYTES))
        if not piece:
            raise EOFError(f"{file.name} shrank while it was packed")
        out.write(piece)
        length -= len(piece)


def _pad(out, length):
    out.write(bytes(-length % BLOCK))


def _directory(out, name, path):
    status = os.stat(path)
    out.write(_header(name, status.st_mode, 0, int(status.st_mtime), b"5"))


def _memory(out, name, body):
    out.write(_header(name, None, len(body), 0, b"\0"))
    out.write(body)
    _pad(out, len(body))


def _header(name, mode, size, modified, kind, sparse=None):
    """The header block with the long-name record before it and the extension blocks after it, where needed.

    `mode` None is style B: no file type in the mode, owner and devices NUL.
    """
    encoded = name.encode()
    before = b""
    if len(encoded) > 100:
        record = encoded + b"\0"
        before = _block(b"././@LongLink", 0o644, len(record), 0, b"L", owner=True) + record + bytes(-len(record) % BLOCK)
    owner = mode is not None
    block = bytearray(_block(encoded[:100], 0o644 if mode is None else mode, size, modified, kind, owner))
    after = b""
    if owner:
        block[329:337] = block[337:345] = b"0000000\0"
    if sparse is not None:
        after = _descriptors(block, *sparse)
    return before + _sealed(block) + after


def _block(name, mode, size, modified, kind, owner):
    block = bytearray(BLOCK)
    block[0 : len(name)] = name
    block[100:108] = _number(mode, 8)
    if owner:
        block[108:116] = block[116:124] = b"0000000\0"
    block[124:136] = _number(size, 12)
    block[136:148] = _number(modified, 12)
    block[156:157] = kind
    block[257:265] = b"ustar  \0"
    return _sealed(block)


def _descriptors(block, extents, real_size):
    fields = [_number(offset, 12) + _number(length, 12) for offset, length in extents]
    block[386 : 386 + 24 * len(fields[:IN_HEADER])] = b"".join(fields[:IN_HEADER])
    block[482] = 1 if len(fields) > IN_HEADER else 0
    block[483:495] = _number(real_size, 12)
    extensions = [fields[at : at + IN_EXTENSION] for at in range(IN_HEADER, len(fields), IN_EXTENSION)]
    blocks = b""
    for index, extension in enumerate(extensions):
        more = b"\1" if index + 1 < len(extensions) else b"\0"
        blocks += b"".join(extension).ljust(504, b"\0") + more + bytes(7)
    return blocks


def _sealed(block):
    block = bytearray(block)
    block[148:156] = b" " * 8
    block[148:156] = _number(sum(block), 8)
    return bytes(block)


def _number(value, width):
    digits = b"%0*o" % (width - 1, value)
    if len(digits) < width:
        return digits + b"\0"
    return b"\x80" + value.to_bytes(width - 1, "big")
