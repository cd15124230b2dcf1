"""Payloads that a filter can be asked about, and that a reader can get wrong: a function of the random source.

Every field is there for one kind of condition or one trap; `INDEXES` says how the engine can index it.
"""

import datetime
import uuid

WORDS = (
    "harbour winter amber lantern copper meadow violin thunder saffron orbit glacier willow ember canyon pepper "
    "Straße żółw žluťoučký наука мёд 東京 漢字 café naïve 🙂 don't e-mail C++ 3.14 running runner ran"
).split()
CITIES = ["Praha", "Łódź", "München", "東京", "São Paulo", "new york", "New York", ""]
TAGS = ["red", "green", "blue", "Blue", "żółty", "a b", "x" * 40]
SHOPS = ["north", "south", "east", "west"]

# The moment every date is counted from.
EPOCH = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)

INDEXES = {
    "city": {"type": "keyword"},
    "tags": {"type": "keyword", "on_disk": True},
    "rank": {"type": "integer", "lookup": True, "range": True},
    "big": {"type": "integer", "lookup": True, "range": False},
    "score": {"type": "float"},
    "flag": {"type": "bool"},
    "seen_at": {"type": "datetime"},
    "place": {"type": "geo"},
    "text": {"type": "text", "tokenizer": "Word", "lowercase": True, "phrase_matching": True},
    "key": {"type": "uuid"},
    "nested.a.b": {"type": "integer", "lookup": True, "range": True, "on_disk": True},
    "offers[].price": {"type": "float", "on_disk": True},
    "offers[].shop": {"type": "keyword"},
}

# Made after the points were, by a second request, and on other versions of the same types.
LATER_INDEXES = {
    "nothing": {"type": "keyword"},
    "words[]": {"type": "text", "tokenizer": "Whitespace", "lowercase": False},
    "offers[].stock": {"type": "integer", "lookup": False, "range": True},
}


def payload(random, index):
    """The payload of a point; about one point in twenty has none, and one in two hundred a long one."""
    if random.random() < 0.05:
        return None if random.random() < 0.5 else {}
    body = {"number": index}
    for field, make in MAKERS.items():
        if random.random() < 0.85:
            body[field] = make(random)
    if index % 200 == 7:
        body["filler"] = "".join(random.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(20_000))
    if random.random() < 0.3:
        body["dotted.key"] = random.randint(0, 9)
        body["with space"] = {"ключ": random.choice(WORDS), '"quoted"': [1, None]}
    return body


def _integer(random):
    return random.choice([random.randint(-20, 20), random.randint(0, 5), [random.randint(0, 9), random.randint(0, 9)]])


def _big(random):
    near = random.choice([2**53, 2**60, -(2**62), 2**63 - 10])
    return near + random.randint(0, 8)


def _float(random):
    odd = [0.0, -0.0, 1e-310, 1e300, -2.5, 7, 0.1, 3]
    return random.choice(odd) if random.random() < 0.3 else random.uniform(-10, 10)


def _flag(random):
    return random.choice([True, False, True, False, None, [True, False], "true"])


def _moment(random):
    moment = EPOCH + datetime.timedelta(seconds=random.randint(0, 400 * 86400), microseconds=random.randint(0, 999_999))
    spelling = random.randint(0, 5)
    match spelling:
        case 0:
            return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        case 1:
            return moment.astimezone(datetime.timezone(datetime.timedelta(hours=5, minutes=30))).isoformat()
        case 2:
            return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        case 3:
            return moment.strftime("%Y-%m-%d")
        case 4:
            return moment.strftime("%Y-%m-%d %H:%M:%S")
        case _:
            return [moment.strftime("%Y-%m-%dT%H:%M:%SZ"), "not a date"]


def _place(random):
    if random.random() < 0.1:
        return random.choice([{"lon": 200.0, "lat": 10.0}, {"lon": 14.4}, None, "14.4,50.1", {"lon": 180.0, "lat": -90.0}])
    around = random.choice([(14.4, 50.1), (179.5, 10.0), (-58.4, -34.6)])
    point = {"lon": _degrees(around[0] + random.uniform(-3, 3)), "lat": around[1] + random.uniform(-3, 3)}
    return [point, {"lon": 0.0, "lat": 0.0}] if random.random() < 0.2 else point


def _degrees(longitude):
    return longitude - 360 if longitude > 180 else longitude


def _text(random):
    length = random.choice([0, 3, 8, 20, 20, 120])
    return " ".join(random.choice(WORDS) for _ in range(length))


def _uuid(random):
    return str(uuid.UUID(int=random.randint(0, 40) << 64 | 0x4000_8000_0000_0000))


def _nested(random):
    items = [{"x": random.randint(0, 5), "y": random.choice(SHOPS)} for _ in range(random.randint(0, 4))]
    return {
        "a": {"b": random.randint(0, 30), "c": [random.randint(0, 3) for _ in range(random.randint(0, 3))], "d": None},
        "list": items,
        "deep": [[1, [2]], {"z": {"w": random.choice([True, None, "v"])}}],
    }


def _offers(random):
    return [
        {
            "price": round(random.uniform(1, 50), 2),
            "shop": random.choice(SHOPS),
            "stock": random.choice([None, random.randint(0, 20), []]),
            "codes": [random.choice(TAGS) for _ in range(random.randint(0, 2))],
        }
        for _ in range(random.randint(0, 4))
    ]


MAKERS = {
    "city": lambda random: random.choice(CITIES),
    "tags": lambda random: [random.choice(TAGS) for _ in range(random.randint(0, 4))] + [None] * random.randint(0, 1),
    "rank": _integer,
    "big": _big,
    "huge": lambda random: 2**63 + random.randint(0, 3),
    "score": _float,
    "flag": _flag,
    "seen_at": _moment,
    "place": _place,
    "text": _text,
    "words": lambda random: [random.choice(WORDS), " ".join(random.sample(WORDS, 3))],
    "key": _uuid,
    "nested": _nested,
    "offers": _offers,
    "nothing": lambda random: random.choice([None, [], [None], {}, "", [[]], "something", 0, False]),
    "mixed": lambda random: random.choice([1, 1.0, "1", True, None, [1, "1", [1]], {"1": 1}, -0.0]),
}
