"""What a JSON text holds is seen without reading it, in whatever pieces it comes."""

import json
import random

import pytest

from mephisto_nb.router import codec
from mephisto_nb.router.shape import Bounds, Intricate, Shape, Unreadable

ODD = 'a"\\,:[]{} é\n'


def feed(text, bounds, pieces):
    """Look over a text that comes in pieces of these lengths, again and again."""
    shape, start = Shape(bounds), 0
    while start < len(text):
        length = next(pieces)
        shape.feed(text[start : start + length])
        start += length
    return shape


def fits(text, bounds, pieces):
    try:
        feed(text, bounds, pieces)
    except Intricate:
        return False
    return True


def lengths(rng):
    while True:
        yield rng.randint(1, 9)


def made_up(rng, depth=0):
    kind = rng.random()
    if kind < 0.3 and depth < 5:
        return {odd(rng): made_up(rng, depth + 1) for _ in range(rng.randint(0, 4))}
    if kind < 0.6 and depth < 5:
        return [made_up(rng, depth + 1) for _ in range(rng.randint(0, 4))]
    return odd(rng) if kind < 0.8 else rng.choice([1, -1.5e-3, None, True])


def odd(rng):
    return "".join(rng.choice(ODD) for _ in range(rng.randint(0, 20)))


def walk(value):
    yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from walk(inner)


def test_what_is_counted_is_what_is_there():
    for seed in range(200):
        rng = random.Random(seed)
        value = made_up(rng)
        text = json.dumps(value, ensure_ascii=rng.random() < 0.5, indent=rng.choice([None, 1])).encode()
        containers = sum(isinstance(one, dict | list) for one in walk(value))
        names = sum(len(one) for one in walk(value) if isinstance(one, dict))
        assert fits(text, Bounds(containers=containers, names=names), lengths(rng)), seed
        assert not containers or not fits(text, Bounds(containers=containers - 1), lengths(rng)), seed
        assert not names or not fits(text, Bounds(names=names - 1), lengths(rng)), seed


def test_a_name_is_measured_wherever_it_is_cut():
    for seed in range(200):
        rng = random.Random(seed)
        value = made_up(rng)
        text = json.dumps(value, indent=rng.choice([None, 1])).encode()
        names = [name for one in walk(value) if isinstance(one, dict) for name in one]
        longest = max((len(json.dumps(name)) - 2 for name in names), default=0)
        assert fits(text, Bounds(name_length=longest), lengths(rng)), seed
        assert not longest or not fits(text, Bounds(name_length=longest - 1), lengths(rng)), seed


@pytest.mark.parametrize(("text", "depth"), [(b"[[[]]]", 3), (b'{"a":[{"b":1}]}', 3), (b'"[[[["', 0), (b"[],[],[]", 1)])
def test_depth_is_that_of_brackets_outside_of_strings(text, depth):
    feed(text, Bounds(depth=depth), lengths(random.Random(0)))
    if depth:
        with pytest.raises(Unreadable):
            feed(text, Bounds(depth=depth - 1), lengths(random.Random(0)))


def test_a_long_text_is_no_long_name_and_no_long_number():
    assert codec.read('{"text":"' + "1" * 10_000 + '"}', Bounds(name_length=100)).value == {"text": "1" * 10_000}


@pytest.mark.parametrize("text", ["[" + "9" * 5000 + "]", "9" * 5000, '{"x":-' + "1" * 5000 + "}"])
def test_too_long_a_number_is_not_read(text):
    with pytest.raises(Unreadable):
        codec.read(text, Bounds())


def test_many_numbers_are_read_as_few_are():
    numbers = [index / 7 for index in range(40_000)]
    text = json.dumps({"x": numbers, "y": [True, None, "ü"]})
    assert codec.read(text, Bounds()).value == json.loads(text)
    with pytest.raises(ValueError, match="NaN is not JSON"):
        codec.read(text[:-1] + ',"z":NaN}', Bounds())
