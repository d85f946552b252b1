import pytest

from segsr_arch.errors import ConfigError, DataError
from segsr_arch.metrics.protocols import DEFAULT_PROTOCOL, PROTOCOLS, find_protocol


def test_the_four_protocols():
    assert list(PROTOCOLS) == ["y-crop", "rgb-crop", "rgb", "y-full"]
    assert DEFAULT_PROTOCOL == "y-crop"
    assert all(find_protocol(name).name == name for name in PROTOCOLS)


def test_unknown_name_gives_the_nearest():
    with pytest.raises(ConfigError, match=r"protocol 'rgb_crop' is not known; did you mean rgb-crop\?"):
        find_protocol("rgb_crop")


@pytest.mark.parametrize(
    ("name", "region"),
    [("y-crop", (3, 3, 27, 38)), ("rgb-crop", (3, 3, 27, 38)), ("rgb", (0, 0, 30, 41)), ("y-full", (0, 0, 28, 40))],
)
def test_region(name, region):
    found = find_protocol(name).region(30, 41, 3)
    assert (found.top, found.left, found.bottom, found.right) == region


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("pixels", [1, 11])
def test_smallest_side_is_just_enough(name, pixels):
    protocol = find_protocol(name)
    side = protocol.smallest_side(3, pixels)
    assert protocol.region(side, side, 3).height >= pixels
    if pixels > 1:
        assert protocol.region(side - 1, side - 1, 3).height < pixels


def test_nothing_left():
    with pytest.raises(DataError, match="8 x 20 pixels nothing is left .* y-crop at scale 4; .* at least 9 x 9"):
        find_protocol("y-crop").region(8, 20, 4)
    with pytest.raises(DataError, match="at least 4 x 4"):
        find_protocol("y-full").region(3, 20, 4)
