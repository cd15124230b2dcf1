
NODES='http://localhost:6333'

check() {
    say 'asking the servers'
    version 'http://localhost:6333' '1.18'
    absent 'http://localhost:6333' '"catalog-restored"'
    absent 'http://localhost:6333' '"notes-restored"'
}

restore() {
    :
    say 'restoring "catalog-restored"'
    say '- no collection is called "catalog-restored" yet'
    absent 'http://localhost:6333' '"catalog-restored"'
    say '- load shards 0, 1 from snapshots/catalog-restored/catalog-4831547486316841-2026-11-20-16-24-36.snapshot'
    upload 'http://localhost:6333''/collections/catalog-restored/snapshots/upload?wait=true&priority=snapshot&checksum=b5d00c5ded55e631db5edc38a2aec796a1cca33e63e1f9c3c14e2660e1fbd49b' 'snapshots/catalog-restored/catalog-4831547486316841-2026-11-20-16-24-36.snapshot' '"result":true'
    say '- payload field "created" is indexed'
    send PUT 'http://localhost:6333''/collections/catalog-restored/index?wait=true' '{"field_name":"created","field_schema":"datetime"}' '"status":"ok"'
    say '- payload field "doc" is indexed'
    send PUT 'http://localhost:6333''/collections/catalog-restored/index?wait=true' '{"field_name":"doc","field_schema":"keyword"}' '"status":"ok"'
    say '- payload field "loc" is indexed'
    send PUT 'http://localhost:6333''/collections/catalog-restored/index?wait=true' '{"field_name":"loc","field_schema":"geo"}' '"status":"ok"'
    say '- payload field "price" is indexed'
    send PUT 'http://localhost:6333''/collections/catalog-restored/index?wait=true' '{"field_name":"price","field_schema":"float"}' '"status":"ok"'
    say '- payload field "text" is indexed'
    send PUT 'http://localhost:6333''/collections/catalog-restored/index?wait=true' '{"field_name":"text","field_schema":"text"}' '"status":"ok"'
    say 'restoring "notes-restored"'
    say '- no collection is called "notes-restored" yet'
    absent 'http://localhost:6333' '"notes-restored"'
    say '- load shard 0 from snapshots/notes-restored/notes-4831547486316841-2026-11-20-16-24-36.snapshot'
    upload 'http://localhost:6333''/collections/notes-restored/snapshots/upload?wait=true&priority=snapshot&checksum=dd7a928a499cb4dfd585f24172fc0c0eb99a4973f05568e30649887698bd9127' 'snapshots/notes-restored/notes-4831547486316841-2026-11-20-16-24-36.snapshot' '"result":true'
    say '- payload field "rank" is indexed'
    send PUT 'http://localhost:6333''/collections/notes-restored/index?wait=true' '{"field_name":"rank","field_schema":"integer"}' '"status":"ok"'
    say '- payload field "topic" is indexed'
    send PUT 'http://localhost:6333''/collections/notes-restored/index?wait=true' '{"field_name":"topic","field_schema":"keyword"}' '"status":"ok"'
}

count_all() {
    :
    say 'counting "catalog-restored"'
    shard_points '/collections/catalog-restored' 0 '215' '215'
    shard_points '/collections/catalog-restored' 1 '216' '216'
    active 'http://localhost:6333' '/collections/catalog-restored'
    count 'http://localhost:6333' '/collections/catalog-restored' '431'
    say 'counting "notes-restored"'
    shard_points '/collections/notes-restored' 0 '574' '574'
    active 'http://localhost:6333' '/collections/notes-restored'
    count 'http://localhost:6333' '/collections/notes-restored' '574'
}

switch() {
    say 'switching aliases'
    point_alias 'http://localhost:6333' '"notes-live"' '"notes"' '"notes-restored"' '{"actions":[{"delete_alias":{"alias_name":"notes-live"}},{"create_alias":{"alias_name":"notes-live","collection_name":"notes-restored"}}]}' '{"actions":[{"create_alias":{"alias_name":"notes-live","collection_name":"notes-restored"}}]}'
    point_alias 'http://localhost:6333' '"shop"' '"catalog"' '"catalog-restored"' '{"actions":[{"delete_alias":{"alias_name":"shop"}},{"create_alias":{"alias_name":"shop","collection_name":"catalog-restored"}}]}' '{"actions":[{"create_alias":{"alias_name":"shop","collection_name":"catalog-restored"}}]}'
}

back() {
    say 'switching aliases back'
    point_alias 'http://localhost:6333' '"notes-live"' '"notes-restored"' '"notes"' '{"actions":[{"delete_alias":{"alias_name":"notes-live"}},{"create_alias":{"alias_name":"notes-live","collection_name":"notes"}}]}' '{"actions":[{"create_alias":{"alias_name":"notes-live","collection_name":"notes"}}]}'
    point_alias 'http://localhost:6333' '"shop"' '"catalog-restored"' '"catalog"' '{"actions":[{"delete_alias":{"alias_name":"shop"}},{"create_alias":{"alias_name":"shop","collection_name":"catalog"}}]}' '{"actions":[{"create_alias":{"alias_name":"shop","collection_name":"catalog"}}]}'
}

# collection_path NAME: sets FOUND.
collection_path() {
    case ${1:-} in
        'catalog-restored') FOUND='/collections/catalog-restored' ;;
        'notes-restored') FOUND='/collections/notes-restored' ;;
        *) say 'the plan has no such collection' >&2; exit 2 ;;
    esac
}

case ${1:-restore} in
    check) check ;;
    restore) check; restore; count_all; say 'restored and counted. Next: sh restore.sh switch, or point clients to the new names' ;;
    count) count_all ;;
    switch) count_all; switch; say 'switched. The way back: sh restore.sh back' ;;
    back) back ;;
    holder)
        collection_path "$2"
        shift 2
        if [ "$#" -eq 1 ]; then holder "$FOUND" "$1"; else holder_of_all "$FOUND" "$@"; fi
        say "$HOLDER"
        ;;
    *) say "what is $1? See the first lines of this file"; exit 2 ;;
esac
