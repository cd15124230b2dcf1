set -eu
umask 077
HERE=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
WAIT_SECONDS=${WAIT_SECONDS:-3600}
HOLDER_SECONDS=${HOLDER_SECONDS:-30}
SWITCHED=''
WORK=$(mktemp -d)
trap 'rm -rf -- "${WORK:?}"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The key goes to curl in a file that only this user can read, and so into no list of processes.
: > "$WORK/curl"
KEY=${QDRANT_API_KEY:-}
if [ -n "${QDRANT_API_KEY_FILE:-}" ]; then
    KEY=$(cat -- "$QDRANT_API_KEY_FILE")
fi
if [ -n "$KEY" ]; then
    printf 'header = "api-key: %s"\n' "$(printf '%s' "$KEY" | sed 's/[\\"]/\\&/g')" > "$WORK/curl"
fi
unset KEY QDRANT_API_KEY

say() {
    printf '%s\n' "$1"
}

# Ends everything: why, what the server said, and what that usually means.
stop() {
    printf '\nSTOPPED: %s\n' "$1" >&2
    if [ -s "$WORK/answer" ]; then
        printf 'the server answered %s: ' "${STATUS:-nothing}" >&2
        head -c 2000 "$WORK/answer" >&2
        printf '\n' >&2
    fi
    case ${STATUS:-} in
        400) printf '%s\n' 'a 400 is most often a wrong checksum: the file is not the one the plan speaks of. Compare it with its .checksum; nothing was loaded.' >&2 ;;
        401) printf '%s\n' 'a 401 is a missing or wrong API key: set QDRANT_API_KEY or QDRANT_API_KEY_FILE.' >&2 ;;
        403) printf '%s\n' 'a 403 is a key that may only read, or a server that forbids to fetch snapshots from addresses (enable_snapshot_url_recovery: false): prepare again without --location, then files are uploaded.' >&2 ;;
        404) printf '%s\n' 'a 404 is a collection or shard that is not there: it must be created before its shards are loaded.' >&2 ;;
        500) printf '%s\n' 'a 500 on a load is most often a file that was cut short on its way, or a full disk: compare sizes, look at df on the node.' >&2 ;;
    esac
    if [ -n "$SWITCHED" ]; then
        printf 'These aliases were switched before it stopped:%s. The way back: sh restore.sh back\n' "$SWITCHED" >&2
    else
        printf '%s\n' 'Nothing that existed before was changed. To begin anew, delete the restored collection, or prepare again with another --suffix.' >&2
    fi
    exit 1
}

# request METHOD URL [ARGUMENT OF curl]...: the answer lies in $WORK/answer then, its status in STATUS.
request() {
    method=$1
    url=$2
    shift 2
    STATUS=''
    : > "$WORK/answer"
    STATUS=$(curl --config "$WORK/curl" --silent --show-error --globoff --connect-timeout 20 \
        --output "$WORK/answer" --write-out '%{http_code}' --request "$method" "$@" "$url") || {
        STATUS=''
        stop "cannot talk to $url"
    }
}

# ask METHOD URL [ARGUMENT OF curl]...: the answer must be a 200.
ask() {
    request "$@"
    [ "$STATUS" = 200 ] || stop "$1 $2 did not succeed"
}

# send METHOD URL JSON EXPECTED: sends JSON; the answer must hold EXPECTED.
send() {
    printf '%s' "$3" > "$WORK/body"
    ask "$1" "$2" --header 'content-type: application/json' --data-binary "@$WORK/body"
    grep -qF -- "$4" "$WORK/answer" || stop "$1 $2 should have answered $4"
}

# upload URL FILE EXPECTED: sends a staged file.
upload() {
    [ -f "$HERE/$2" ] || stop "$HERE/$2 is not there"
    name=$(printf '%s' "$HERE/$2" | sed 's/[\\"]/\\&/g')
    ask POST "$1" --form "snapshot=@\"$name\""
    grep -qF -- "$3" "$WORK/answer" || stop "POST $1 should have answered $3"
}

# version NODE [LINE]: what the node runs, which must be of this minor version.
version() {
    ask GET "$1/"
    found=$(sed -n 's/.*"version":"\([^"]*\)".*/\1/p' "$WORK/answer")
    [ -n "$found" ] || stop "$1 does not say which version it is"
    say "  $1 runs Qdrant $found"
    if [ -n "${2:-}" ]; then
        case $found in
            "$2".*) ;;
            *) stop "$1 runs $found, and the plan was made for $2" ;;
        esac
    fi
}

# in_cluster NODE PEERS: the node is one of so many.
in_cluster() {
    ask GET "$1/cluster"
    grep -qF '"status":"enabled"' "$WORK/answer" || stop "$1 does not run in cluster mode (QDRANT__CLUSTER__ENABLED)"
    found=$(grep -oF '"uri":' "$WORK/answer" | wc -l | tr -d ' ')
    [ "$found" = "$2" ] || stop "the cluster of $1 has $found nodes, and the plan knows $2: shards could land where nobody loads them"
}

# absent NODE NAME: no collection has this name, which is given as JSON.
absent() {
    ask GET "$1/collections"
    grep -qF '"collections":[' "$WORK/answer" || stop "$1 does not list its collections"
    if grep -qF "\"name\":$2}" "$WORK/answer"; then
        : > "$WORK/answer"
        stop "there is a collection $2 already, and nothing is ever loaded over one"
    fi
}

# locals NODE PATH: the shards that the node itself holds, a line each, without their keys.
locals() {
    ask GET "$1$2/cluster"
    grep -qF '"local_shards":[' "$WORK/answer" || stop "$1 does not list the shards of $2"
    sed -E -n 's/^.*"local_shards":\[(.*)\],"remote_shards":\[.*$/\1/p' "$WORK/answer" |
        sed -E 's/"shard_key":("([^"\\]|\\.)*"|[0-9]+),//g' | tr '{' '\n' > "$WORK/local"
}

# numbers: of the shards that locals found, in order, each with a space behind it.
numbers() {
    sed -n 's/^"shard_id":\([0-9]*\),.*$/\1/p' "$WORK/local" | sort -n | tr '\n' ' '
}

# holder PATH SHARD: sets HOLDER to the first node that holds the shard. A node may hear of a new collection a little later.
holder() {
    waited=0
    while :; do
        for node in $NODES; do
            locals "$node" "$1"
            case " $(numbers)" in
                *" $2 "*) HOLDER=$node; return ;;
            esac
        done
        [ "$waited" -lt "$HOLDER_SECONDS" ] || stop "no node of the plan holds shard $2 of $1"
        sleep 2
        waited=$((waited + 2))
    done
}

# holder_of_all PATH SHARD...: sets HOLDER to the node that holds these shards and no other.
holder_of_all() {
    path=$1
    shift
    wanted=$(printf '%s\n' "$@" | sort -n | tr '\n' ' ')
    waited=0
    while :; do
        for node in $NODES; do
            locals "$node" "$path"
            if [ "$(numbers)" = "$wanted" ]; then HOLDER=$node; return; fi
        done
        [ "$waited" -lt "$HOLDER_SECONDS" ] || stop "no node holds just the shards $* of $path: the server placed them otherwise. Delete the empty collection and prepare again with --by shard"
        sleep 2
        waited=$((waited + 2))
    done
}

# shard_points PATH SHARD LEAST MOST: its holder counts so many.
shard_points() {
    holder "$1" "$2"
    found=$(sed -n "s/^\"shard_id\":$2,.*\"points_count\":\([0-9]*\).*$/\1/p" "$WORK/local")
    [ -n "$found" ] || stop "$HOLDER does not say how many points shard $2 has"
    if [ -z "$3" ]; then
        say "  shard $2: $found points (not compared)"
    elif [ "$found" -ge "$3" ] && [ "$found" -le "$4" ]; then
        say "  shard $2: $found points, as expected"
    else
        stop "shard $2 has $found points on $HOLDER, expected $3"
    fi
}

# shard_has_key NODE PATH SHARD KEY: the shard has this key, which is given as JSON.
shard_has_key() {
    ask GET "$1$2/cluster"
    grep -qF "\"shard_id\":$3,\"shard_key\":$4," "$WORK/answer" || stop "shard $3 of $2 does not have the key $4: the server counts otherwise than the plan"
}

# active NODE PATH: waits until every copy of every shard is.
active() {
    waited=0
    while :; do
        ask GET "$1$2/cluster"
        if grep -qF '"shard_transfers":[]' "$WORK/answer" &&
            ! sed 's/"state":"Active"//g' "$WORK/answer" | grep -qF '"state":"'; then
            return
        fi
        [ "$waited" -lt "$WAIT_SECONDS" ] || stop "not all copies in $2 are active after $WAIT_SECONDS seconds"
        sleep 5
        waited=$((waited + 5))
    done
}

# count NODE PATH POINTS: the collection has so many.
count() {
    send POST "$1$2/points/count" '{"exact":true}' '"count":'
    found=$(sed -n 's/.*"count":\([0-9][0-9]*\).*/\1/p' "$WORK/answer")
    if [ -z "$3" ]; then
        say "  $found points (not compared)"
    elif [ "$found" = "$3" ]; then
        say "  $found points, as expected"
    else
        stop "$2 has $found points, expected $3"
    fi
}

# point_alias NODE ALIAS FROM TO REPLACE CREATE: the alias, which must stand for FROM or not be there, goes to TO. All are JSON.
point_alias() {
    ask GET "$1/aliases"
    if grep -qF "{\"alias_name\":$2,\"collection_name\":$4}" "$WORK/answer"; then
        say "  alias $2 stands for $4 already"
        return
    fi
    if grep -qF "{\"alias_name\":$2,\"collection_name\":$3}" "$WORK/answer"; then
        send POST "$1/collections/aliases" "$5" '"result":true'
    elif grep -qF "\"alias_name\":$2," "$WORK/answer"; then
        stop "alias $2 stands for another collection than $3: look before you change it"
    else
        send POST "$1/collections/aliases" "$6" '"result":true'
    fi
    SWITCHED="$SWITCHED $2"
    say "  alias $2 stands for $4"
}
