//! Everything persisted: `decode(encode(x)) == x`, and no bytes whatever make a decoder panic or allocate what they merely declare.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::{collection::vec, prelude::*};
use vectar_chunk::{BodyDigest, ChunkId, CutParameters, NodeId};
use vectar_repository::{
    BackupId, InitOptions, PackId, RepositoryId,
    format::{
        FORMAT_VERSION, FormatError, REPOSITORY_FEATURES,
        annotation::{Annotation, Change},
        config::{Config, NodeCut, StorageNote},
        event::{DrillNote, Event, Proof},
        forgotten::Forgotten,
        frame::{self, FrameKind},
        ids::IngestNonce,
        ingest_marks::{Intent, Pending, Void},
        keys,
        mark::{IntentSeen, Mark, MarkReason},
        node::{NodeVersion, RecipeItem, RecipeNode},
        pack::{
            BodyEntry, FooterEntry, FooterError, PACK_HEADER_BYTES, PACK_TRAILER_BYTES, PackFooter, PackHeader,
            PackKind, RECORD_HEAD_BYTES, RecordHead, RecordKind, Trailer,
        },
        record::{BackupRecord, ClassSpace, ShardNote, Space, Subject},
    },
};

fn id32() -> impl Strategy<Value = [u8; 32]> {
    any::<[u8; 32]>()
}

fn backup_id() -> impl Strategy<Value = BackupId> {
    any::<[u8; 16]>().prop_map(BackupId::from_bytes)
}

fn time() -> impl Strategy<Value = Timestamp> {
    (0..4_000_000_000_i64, 0..1_000_000_000_i32)
        .prop_map(|(second, nanosecond)| Timestamp::new(second, nanosecond).unwrap())
}

fn item() -> impl Strategy<Value = RecipeItem> {
    // Few ids, so that slots recur, and a few that never do.
    let id = prop_oneof![(0..4_u8).prop_map(|seed| [seed; 32]), id32()];
    prop_oneof![
        vec(any::<u8>(), 1..50).prop_map(RecipeItem::Inline),
        (any::<u8>(), 1..u64::MAX / 256).prop_map(|(byte, len)| RecipeItem::Fill { byte, len }),
        (id.clone(), any::<u32>(), 1..u32::MAX).prop_map(|(id, start, len)| {
            RecipeItem::Copy { chunk: ChunkId::from_bytes(id), start: start.min(u32::MAX - len), len }
        }),
        (id, 1..u64::MAX / 256).prop_map(|(id, len)| RecipeItem::Node { node: NodeId::from_bytes(id), len }),
    ]
}

fn record_kind() -> impl Strategy<Value = RecordKind> {
    prop_oneof![Just(RecordKind::Chunk), Just(RecordKind::Node), Just(RecordKind::RowDirectory)]
}

/// Stored bytes and the head that describes them.
fn pack_record() -> impl Strategy<Value = (RecordHead, Vec<u8>)> {
    (record_kind(), any::<(u8, u8, u32)>(), id32(), vec(any::<u8>(), 0..80)).prop_map(
        |(kind, (codec, label, raw_len), id, stored)| {
            (RecordHead { kind, codec, label, stored_len: stored.len() as u32, raw_len, id }, stored)
        },
    )
}

fn body() -> impl Strategy<Value = BodyEntry> {
    (id32(), id32(), any::<u64>()).prop_map(|(digest, node, len)| BodyEntry {
        digest: BodyDigest::from_bytes(digest),
        node: NodeId::from_bytes(node),
        len,
    })
}

/// A whole pack and its footer.
fn pack() -> impl Strategy<Value = (Vec<u8>, PackFooter)> {
    let header = (any::<bool>(), any::<[u8; 16]>(), any::<[u8; 16]>(), any::<u64>()).prop_map(
        |(is_data, repository, nonce, counter)| PackHeader {
            kind: if is_data { PackKind::Data } else { PackKind::Metadata },
            repository: RepositoryId::from_bytes(repository),
            nonce: IngestNonce::from_bytes(nonce),
            counter,
        },
    );
    (header, vec(pack_record(), 0..12), vec(body(), 0..6)).prop_map(|(header, records, bodies)| {
        let mut bytes = header.encode();
        let mut footer = PackFooter { entries: Vec::new(), bodies };
        for (head, stored) in records {
            footer.entries.push(FooterEntry { head, offset: bytes.len() as u32 });
            bytes.extend(head.encode(&stored));
            bytes.extend(stored);
        }
        bytes.extend(footer.encode(bytes.len() as u64));
        (bytes, footer)
    })
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[ -~]{0,20}".prop_map(String::from),
        vec(any::<char>(), 0..12).prop_map(String::from_iter)
    ]
}

fn shard() -> impl Strategy<Value = ShardNote> {
    let replicas = proptest::collection::btree_map(text(), text(), 0..3);
    (any::<Option<u32>>(), replicas, vec(text(), 0..3)).prop_map(|(id, replicas, segments)| ShardNote {
        id,
        replicas,
        segments,
    })
}

fn subject() -> impl Strategy<Value = Subject> {
    let option = || proptest::option::of(text());
    let names = (text(), text(), any::<u32>(), option(), option(), option(), option(), option());
    let rest = (any::<Option<u64>>(), vec(shard(), 0..3), option(), option(), proptest::option::of(time()), option());
    (names, rest).prop_map(|((name, kind, levels, collection, from, cluster, node, set), rest)| {
        let (peer_id, shards, source, qdrant_at_least, taken_at, taken_at_from) = rest;
        let contains = collection.iter().map(|name| (name.clone(), format!("{name}.snapshot"))).collect();
        Subject {
            name,
            kind,
            levels,
            collection,
            collection_from: from,
            cluster,
            node,
            peer_id,
            set,
            shards,
            contains,
            source,
            qdrant_at_least,
            taken_at,
            taken_at_from,
        }
    })
}

fn record() -> impl Strategy<Value = BackupRecord> {
    let space =
        (any::<(u64, u64, u64)>(), text(), any::<(u64, u64, u64)>()).prop_map(|(counts, class, figures)| Space {
            new_pack_bytes: counts.0,
            chunks: counts.1,
            new_chunks: counts.2,
            classes: BTreeMap::from([(
                class,
                ClassSpace { bytes: figures.0, new_bytes: figures.1, stored_bytes: figures.2 },
            )]),
        });
    let what = (backup_id(), any::<u32>(), subject(), time(), any::<u64>(), text(), id32());
    let said = (proptest::option::of(text()), vec(text(), 0..3), proptest::option::of(text()), space, text());
    (what, said).prop_map(|((id, seq, subject, stored_at, bytes, sha256, root), said)| {
        let (damaged, tags, note, space, tool) = said;
        BackupRecord {
            id,
            seq,
            requires: Vec::new(),
            subject,
            stored_at,
            bytes,
            sha256: Some(sha256),
            root: NodeId::from_bytes(root),
            damaged,
            tags,
            note,
            space,
            tool,
        }
    })
}

fn config() -> impl Strategy<Value = Config> {
    let cut = (1024..4096_u32, 4096..8192_u32, 8192..131_072_u32);
    (any::<[u8; 16]>(), id32(), cut, (65_536..1_u64 << 30), time(), text(), any::<bool>()).prop_map(
        |(id, key, (min_bytes, avg_bytes, max_bytes), pack_bytes, created_at, text, network)| Config {
            metadata_copies: 1 + u32::from(network),
            format: FORMAT_VERSION,
            required_features: REPOSITORY_FEATURES
                .iter()
                .filter(|_| network)
                .map(|&feature| feature.to_owned())
                .collect(),
            repository_id: RepositoryId::from_bytes(id),
            id_key: PackId::from_bytes(key).to_string(),
            encryption: "none".to_owned(),
            cut: CutParameters::V2.to_list().into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            node_cut: NodeCut { min_bytes, avg_bytes, max_bytes },
            pack_bytes,
            created_at,
            created_by: text.clone(),
            storage: StorageNote {
                file_system: text.clone(),
                network,
                durability: "full".to_owned(),
                publish: "claim".to_owned(),
                abilities: BTreeMap::from([(text, network)]),
            },
        },
    )
}

fn there_and_back<T: serde::Serialize + serde::de::DeserializeOwned>(kind: FrameKind, value: &T) -> T {
    frame::decode(kind, &frame::encode(kind, value)).unwrap()
}

fn is_cut_short(error: &FormatError) -> bool {
    matches!(error, FormatError::Truncated { .. })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_node_comes_back(items in vec(item(), 0..40)) {
        let node = RecipeNode { items };
        for version in [NodeVersion::Items, NodeVersion::Distances, NodeVersion::Choices] {
            prop_assert_eq!(&RecipeNode::decode(&node.encode(version)).unwrap(), &node);
        }
    }

    /// Equal nodes are equal bytes, and only they: what decodes encodes to the very same, except for unused or repeated ids.
    #[test]
    fn a_cut_node_is_refused(items in vec(item(), 1..20), at: prop::sample::Index) {
        let bytes = RecipeNode { items }.encode(NodeVersion::NEWEST);
        let at = at.index(bytes.len());
        prop_assert!(RecipeNode::decode(&bytes[..at]).is_err());
    }

    #[test]
    fn every_pack_comes_back((bytes, footer) in pack()) {
        let header = PackHeader::decode(&bytes).unwrap();
        prop_assert_eq!(&header.encode()[..], &bytes[..PACK_HEADER_BYTES as usize]);
        prop_assert_eq!(PackFooter::decode(&bytes, bytes.len() as u64).unwrap(), footer.clone());
        for FooterEntry { head, offset } in &footer.entries {
            let (found, stored) = RecordHead::decode(&bytes[*offset as usize..]).unwrap();
            prop_assert_eq!(found, *head);
            prop_assert_eq!(stored.len(), head.stored_len as usize);
        }
        let trailer = Trailer::decode(&bytes, bytes.len() as u64).unwrap();
        let verbatim = &bytes[trailer.footer_offset as usize..bytes.len() - PACK_TRAILER_BYTES as usize];
        prop_assert_eq!(PackFooter::decode_verbatim(verbatim, trailer.footer_offset).unwrap(), footer);
    }

    /// The suffix that a reader is told to ask for is the one it needs.
    #[test]
    fn a_short_suffix_is_answered_with_the_right_length((bytes, footer) in pack(), have in 32..200_usize) {
        let suffix = &bytes[bytes.len().saturating_sub(have)..];
        match PackFooter::decode(suffix, bytes.len() as u64) {
            Ok(found) => prop_assert_eq!(found, footer),
            Err(FooterError::NeedsMore { suffix_len }) => {
                prop_assert!(suffix_len > suffix.len() as u64);
                let suffix = &bytes[bytes.len() - suffix_len as usize..];
                prop_assert_eq!(PackFooter::decode(suffix, bytes.len() as u64).unwrap(), footer);
            }
            Err(error) => prop_assert!(false, "{error}"),
        }
    }

    /// Records describe themselves: without a footer a scan from the header finds each of them, and then no other.
    #[test]
    fn a_pack_without_its_footer_is_found_by_a_scan((bytes, footer) in pack()) {
        let mut found = Vec::new();
        let mut offset = PACK_HEADER_BYTES;
        while let Ok((head, _)) = RecordHead::decode(&bytes[offset as usize..]) {
            found.push(FooterEntry { head, offset: offset as u32 });
            offset += head.record_len();
        }
        prop_assert_eq!(found, footer.entries);
    }

    #[test]
    fn every_flip_and_cut_in_a_footer_is_noticed((bytes, footer) in pack(), at: prop::sample::Index, bit in 0..8) {
        let end = PACK_TRAILER_BYTES as usize + 16 + 48 * footer.entries.len() + 72 * footer.bodies.len();
        let place = bytes.len() - end + at.index(end);
        let mut flipped = bytes.clone();
        flipped[place] ^= 1_u8 << bit;
        prop_assert!(PackFooter::decode(&flipped, bytes.len() as u64).is_err());
        prop_assert!(PackFooter::decode(&bytes[..place], place as u64).is_err());
        prop_assert!(PackFooter::decode(&bytes, bytes.len() as u64 + 1).is_err());
    }

    #[test]
    fn every_flip_in_a_record_is_noticed((head, stored) in pack_record(), at: prop::sample::Index, bit in 0..8) {
        let mut bytes = [head.encode(&stored), stored].concat();
        let place = at.index(bytes.len());
        bytes[place] ^= 1_u8 << bit;
        prop_assert!(RecordHead::decode(&bytes).is_err());
    }

    #[test]
    fn every_flip_in_a_header_is_noticed((mut bytes, _) in pack(), at in 0..PACK_HEADER_BYTES as usize, bit in 0..8) {
        bytes[at] ^= 1_u8 << bit;
        prop_assert!(PackHeader::decode(&bytes).is_err());
    }

    #[test]
    fn every_record_comes_back(record in record()) {
        prop_assert_eq!(BackupRecord::decode(&record.encode()).unwrap(), record);
    }

    #[test]
    fn every_config_comes_back(config in config()) {
        prop_assert_eq!(Config::decode(&config.encode()).unwrap(), config);
    }

    #[test]
    fn every_small_object_comes_back(
        (nonce, id, at, client, packs) in (any::<[u8; 16]>(), backup_id(), time(), text(), vec(id32(), 0..5)),
        has_backup: bool,
    ) {
        let nonce = IngestNonce::from_bytes(nonce);
        let intent = Intent { nonce, started_at: at, client: client.clone() };
        prop_assert_eq!(frame::decode::<Intent>(FrameKind::Intent, &frame::encode(FrameKind::Intent, &intent)).unwrap(), intent);
        let packs = packs.into_iter().map(PackId::from_bytes).collect();
        let pending = Pending { id, seq: 3, nonce, at, packs };
        let bytes = frame::encode(FrameKind::Pending, &pending);
        prop_assert_eq!(frame::decode::<Pending>(FrameKind::Pending, &bytes).unwrap(), pending);
        let (action, tool, summary) = ("ingest".to_owned(), client.clone(), client.clone());
        let event = Event { at, action, client: client.clone(), tool, backup: has_backup.then_some(id), summary };
        prop_assert_eq!(frame::decode::<Event>(FrameKind::Event, &frame::encode(FrameKind::Event, &event)).unwrap(), event);
        let drill = has_backup.then(|| DrillNote { engine: client.clone(), points: u64::MAX, ..DrillNote::default() });
        let sha256_compared = drill.is_some().then_some(true);
        let proof =
            Proof { at, backup: id, shown: client.clone(), sha256_compared, client: client.clone(), tool: client, drill };
        prop_assert_eq!(frame::decode::<Proof>(FrameKind::Proof, &frame::encode(FrameKind::Proof, &proof)).unwrap(), proof);
    }

    #[test]
    fn every_mark_and_note_comes_back(
        (nonce, backup, at, client, pack) in (any::<[u8; 16]>(), backup_id(), time(), text(), id32()),
        record in record(),
        (which, packs) in (0..8_usize, any::<u64>()),
    ) {
        let (nonce, pack, tool) = (IngestNonce::from_bytes(nonce), PackId::from_bytes(pack), client.clone());
        let void = Void { nonce, at, client: client.clone() };
        prop_assert_eq!(there_and_back(FrameKind::Void, &void), void);
        let seen = IntentSeen { nonce, at, packs };
        prop_assert_eq!(there_and_back(FrameKind::IntentSeen, &seen), seen);
        let reason = [MarkReason::Unused, MarkReason::Repacked, MarkReason::Merged][which % 3];
        let mark = Mark { pack, at, reason, client: client.clone() };
        prop_assert_eq!(there_and_back(FrameKind::Mark, &mark), mark);
        let change = match which {
            0 => Change::AddTag(client.clone()),
            1 => Change::RemoveTag(client.clone()),
            2 => Change::SetNote(client.clone()),
            3 => Change::Pin(client.clone()),
            _ => Change::Unpin,
        };
        let note = Annotation { backup, at, change, client: client.clone(), tool: tool.clone() };
        prop_assert_eq!(there_and_back(FrameKind::Note, &note), note);
        let forgotten = Forgotten { record, at, client, tool };
        prop_assert_eq!(there_and_back(FrameKind::Forgotten, &forgotten), forgotten);
    }

    /// Keys say what they are about, and only keys of the layout say so.
    #[test]
    fn every_key_is_read_back(pack in id32(), id in backup_id(), seq: u32, at in time(), suffix in "[0-9a-f]{8}") {
        let pack = PackId::from_bytes(pack);
        prop_assert_eq!(keys::pack_id_of(&keys::pack(&pack)), Some(pack));
        prop_assert_eq!(keys::record_of(&keys::record(&id, seq)), Some((id, seq)));
        let proof = keys::proof(&id, at.as_millisecond(), &suffix);
        let at = Timestamp::from_millisecond(at.as_millisecond()).unwrap();
        prop_assert_eq!(keys::proof_of(&proof), Some((id, at)));
        prop_assert!(keys::record(&id, seq) < keys::record(&id, seq.saturating_add(1)) || seq == u32::MAX);
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in vec(any::<u8>(), 0..400), len: u64) {
        let _ = RecipeNode::decode(&bytes);
        let _ = PackHeader::decode(&bytes);
        let _ = RecordHead::decode(&bytes);
        let _ = PackFooter::decode(&bytes, len);
        let _ = PackFooter::decode(&bytes, bytes.len() as u64);
        let _ = PackFooter::decode_verbatim(&bytes, len);
        let _ = Config::decode(&bytes);
        let _ = BackupRecord::decode(&bytes);
    }

    /// Noise behind the right beginning, which gets further into each decoder.
    #[test]
    fn any_bytes_behind_magic_are_decoded_or_refused(tail in vec(any::<u8>(), 0..300), len: u64) {
        let behind = |magic: &[u8]| [magic, &tail].concat();
        let _ = RecipeNode::decode(&behind(&[1]));
        let _ = PackHeader::decode(&behind(b"VCTRPACK"));
        let _ = RecordHead::decode(&behind(b"VREC"));
        let _ = PackFooter::decode_verbatim(&behind(b"VCTRFOOT"), len);
        let _ = PackFooter::decode(&[&tail[..], b"VCTREND1"].concat(), len);
        let json = tail.clone();
        let head = format!("vectar record 1 {} {}\n", json.len(), blake3::hash(&json).to_hex());
        prop_assert!(BackupRecord::decode(&[head.as_bytes(), &json, b"\n"].concat()).is_err());
    }
}

/// Each of these would take gigabytes or more if its declared length were believed.
#[test]
fn declared_lengths_allocate_nothing() {
    let varint = |value: u64| {
        let mut out = Vec::new();
        vectar_repository::format::varint::encode(value, &mut out);
        out
    };
    let huge = varint(u64::MAX);
    let nodes: [(&str, Vec<Vec<u8>>); 5] = [
        ("ids", vec![vec![1, 0], huge.clone()]),
        ("ids of a possible count", vec![vec![1, 0], varint(u64::MAX / 32)]),
        ("items", vec![vec![1, 0, 0], huge.clone()]),
        ("a literal", vec![vec![1, 9, 0, 1, 0], huge.clone()]),
        ("a run", vec![vec![1], huge.clone(), vec![0, 2, 1, 7], huge.clone(), vec![1, 7], huge]),
    ];
    for (label, parts) in nodes {
        assert!(RecipeNode::decode(&parts.concat()).is_err(), "{label}");
    }

    let head = RecordHead {
        kind: RecordKind::Chunk,
        codec: 0,
        label: 0,
        stored_len: u32::MAX,
        raw_len: u32::MAX,
        id: [0; 32],
    };
    assert!(is_cut_short(&RecordHead::decode(&head.encode(b"")).unwrap_err()));
    assert_eq!(head.encode(b"").len() as u64, RECORD_HEAD_BYTES);

    let footer = [&b"VCTRFOOT"[..], &u32::MAX.to_le_bytes(), &u32::MAX.to_le_bytes()].concat();
    assert!(is_cut_short(&PackFooter::decode_verbatim(&footer, 64).unwrap_err()));

    let text = format!("vectar record 1 {} {}\n", u64::MAX, "0".repeat(64));
    assert!(is_cut_short(&BackupRecord::decode(text.as_bytes()).unwrap_err()));
}

/// One layout of each kind, byte by byte as `docs/format.md` draws it: what a later version must still write and read.
#[test]
fn the_layouts_are_those_of_the_document() {
    let header = PackHeader {
        kind: PackKind::Metadata,
        repository: RepositoryId::from_bytes([0xaa; 16]),
        nonce: IngestNonce::from_bytes([0xbb; 16]),
        counter: 0x0102,
    }
    .encode();
    let crc = |bytes: &[u8]| crc32c::crc32c(bytes).to_le_bytes();
    let expected =
        [&b"VCTRPACK"[..], &[1, 0, 2], &[0; 5], &[0xaa; 16], &[0xbb; 16], &[2, 1, 0, 0, 0, 0, 0, 0], &[0; 4]].concat();
    assert_eq!(header, [&expected[..], &crc(&expected)].concat());

    let head = RecordHead { kind: RecordKind::Chunk, codec: 1, label: 5, stored_len: 3, raw_len: 260, id: [0xcc; 32] };
    let expected = [&b"VREC"[..], &[1, 1, 5, 0], &[3, 0, 0, 0], &[4, 1, 0, 0], &[0xcc; 32]].concat();
    assert_eq!(head.encode(b"abc"), [&expected[..], &crc(&[&expected[..], b"abc"].concat())].concat());

    let body = BodyEntry { digest: BodyDigest::from_bytes([0xdd; 32]), node: NodeId::from_bytes([0xee; 32]), len: 9 };
    let footer = PackFooter { entries: vec![FooterEntry { head, offset: 64 }], bodies: vec![body] };
    let line = [&[0xcc; 32][..], &[64, 0, 0, 0], &[3, 0, 0, 0], &[4, 1, 0, 0], &[1, 1, 5, 0]].concat();
    let body = [&[0xdd; 32][..], &[0xee; 32], &[9, 0, 0, 0, 0, 0, 0, 0]].concat();
    let list = [&b"VCTRFOOT"[..], &[1, 0, 0, 0], &[1, 0, 0, 0], &line, &body].concat();
    let trailer = [&136_u32.to_le_bytes()[..], &crc(&list), &119_u64.to_le_bytes(), &[0; 4]].concat();
    assert_eq!(footer.encode(119), [&list[..], &trailer, &crc(&trailer), b"VCTREND1"].concat());

    let chunk = ChunkId::from_bytes([1; 32]);
    let node = RecipeNode {
        items: vec![
            RecipeItem::Inline(b"hi".to_vec()),
            RecipeItem::Fill { byte: 7, len: 300 },
            RecipeItem::Copy { chunk, start: 10, len: 5 },
            RecipeItem::Node { node: NodeId::from_bytes([2; 32]), len: 1 },
            RecipeItem::Copy { chunk, start: 15, len: 1 },
        ],
    };
    // Version, 309 bytes, two ids; five items. The second copy goes back two slots and starts where the first one ended.
    let ids = [&[0xb5, 2, 2][..], &[1; 32], &[2; 32], &[5]].concat();
    // Each column with its unit and width: slots themselves, starts by how far they lie from the expected ones, lengths of two bytes.
    let (tags, slots, starts) = ([0, 1, 2, 3, 2], [1, 1, 1, 0, 1, 0], [0, 10, 1, 2, 0]);
    let lens = [&[1, 2][..], &[2, 44, 5, 1, 1], &[0, 1, 0, 0, 0]].concat();
    let columns = [&tags[..], &slots, &starts, &lens, b"hi", &[7]].concat();
    assert_eq!(node.encode(NodeVersion::Choices), [&[3][..], &ids, &columns].concat());
    // As it was written before: without a choice, so slots are steps from the one behind the last; and item by item.
    let (slots, starts) = ([2, 1, 0, 0, 1], [10, 1, 2, 0]);
    let columns = [&tags[..], &slots, &starts, &lens, b"hi", &[7]].concat();
    assert_eq!(node.encode(NodeVersion::Distances), [&[2][..], &ids, &columns].concat());
    let items = [&[0, 2, b'h', b'i'][..], &[1, 7, 0xac, 2], &[2, 0, 20, 5], &[3, 0, 1], &[2, 3, 0, 1]].concat();
    assert_eq!(node.encode(NodeVersion::Items), [&[1][..], &ids, &items].concat());

    let text = frame::encode(FrameKind::Event, &serde_json::json!({"a": 1}));
    let digest = blake3::hash(br#"{"a":1}"#).to_hex();
    assert_eq!(String::from_utf8(text).unwrap(), format!("vectar event 1 7 {digest}\n{{\"a\":1}}\n"));
}

/// The keys of the layout, as the document lists them.
#[test]
fn the_keys_are_those_of_the_document() {
    let (pack, id) = (PackId::from_bytes([0xab; 32]), BackupId::from_bytes([0x12; 16]));
    let nonce = IngestNonce::from_bytes([0x34; 16]);
    let (hex64, id32, nonce32) = ("ab".repeat(32), "12".repeat(16), "34".repeat(16));
    let found = [
        keys::config(),
        keys::pack(&pack),
        keys::record(&id, 7),
        keys::intent(&nonce),
        keys::pending(&id),
        keys::event(1_700_000_000_123, "89abcdef"),
        keys::proof(&id, -5, "89abcdef"),
        keys::pack_proof(7, "89abcdef"),
        keys::forgotten(&id),
        keys::note(&id, 7, "89abcdef"),
        keys::intent_seen(&nonce, 7, "89abcdef"),
        keys::mark(&pack),
        keys::quarantined(&pack),
        keys::reserve(),
    ];
    let expected = [
        "config".to_owned(),
        format!("packs/ab/{hex64}"),
        format!("backups/{id32}/0000000007"),
        format!("intents/{nonce32}"),
        format!("pending/{id32}"),
        "events/001700000000123-89abcdef".to_owned(),
        format!("proofs/{id32}/000000000000000-89abcdef"),
        "proofs/packs/000000000000007-89abcdef".to_owned(),
        format!("forgotten/{id32}"),
        format!("notes/{id32}/000000000000007-89abcdef"),
        format!("intents/{nonce32}.000000000000007-89abcdef"),
        format!("condemned/{hex64}"),
        format!("quarantine/{hex64}"),
        "reserve".to_owned(),
    ];
    assert_eq!(found.map(|key| key.to_string()), expected);
}

/// Values that would make a repository unusable are refused when it is made, not when it is full.
#[test]
fn impossible_options_are_refused_by_init() {
    let defaults = InitOptions::default();
    let cut = |min_bytes, avg_bytes, max_bytes| NodeCut { min_bytes, avg_bytes, max_bytes };
    let impossible = [
        InitOptions { pack_bytes: 1, ..defaults.clone() },
        InitOptions { pack_bytes: 2 << 30, ..defaults.clone() },
        InitOptions { node_cut: cut(10, 8192, 131_072), ..defaults.clone() },
        InitOptions { node_cut: cut(8192, 2048, 131_072), ..defaults.clone() },
        InitOptions { node_cut: cut(2048, 8192, 262_144), ..defaults },
    ];
    for options in impossible {
        let backend = std::sync::Arc::new(vectar_testkit::backend::MemoryBackend::new());
        let error =
            vectar_repository::Repository::init(backend.clone(), crate::scene::process(1), &options).unwrap_err();
        assert_eq!(error.kind(), vectar_repository::ErrorKind::FixInput, "{options:?}");
        assert_eq!(backend.keys(), [], "{options:?}");
    }
}
