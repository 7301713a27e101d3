import numpy as np
import pytest

from keras_gans.data.arrays import height_and_width, to_channels, to_size

pytestmark = pytest.mark.one_backend


def test_padding_puts_the_images_in_the_middle_of_zeros(pixels):
    images = pixels(2, 28, 28, 1) | 1
    padded = to_size(images, 32, pad=True)
    assert padded.shape == (2, 32, 32, 1) and padded.dtype == np.uint8
    np.testing.assert_array_equal(padded[:, 2:30, 2:30], images)
    assert padded.astype(int).sum() == images.astype(int).sum()


def test_padding_by_an_odd_number_puts_the_odd_pixel_below_and_right(pixels):
    images = pixels(1, 2, 2, 3) | 1
    padded = to_size(images, (3, 5), pad=True)
    np.testing.assert_array_equal(padded[:, 0:2, 1:3], images)
    assert np.count_nonzero(padded) == images.size


def test_padding_to_a_smaller_size_is_refused(pixels):
    with pytest.raises(ValueError, match=r"`size` must be at least .*\(28, 28\).*Received: size=\(32, 27\)"):
        to_size(pixels(1, 28, 28, 1), (32, 27), pad=True)


@pytest.mark.parametrize("channels", [1, 3])
def test_resizing_keeps_flat_colours_and_their_channels(channels):
    images = np.zeros((2, 6, 4, channels), np.uint8) + np.array([10, 90, 200], np.uint8)[:channels]
    resized = to_size(images, (3, 9))
    assert resized.shape == (2, 3, 9, channels)
    np.testing.assert_array_equal(resized, np.broadcast_to(images[:1, :1, :1], resized.shape))


def test_resizing_keeps_left_and_right_top_and_bottom():
    images = np.zeros((1, 8, 8, 1), np.uint8)
    images[0, :4, 4:] = 200
    small = to_size(images, 2)[0, ..., 0]
    assert small[0, 1] > 150 and small[0, 0] < 50 and small[1, 1] < 50 and small[1, 0] < 50


def test_shrinking_averages_and_does_not_alias():
    stripes = np.zeros((1, 64, 64, 1), np.uint8)
    stripes[:, :, ::2] = 255
    assert abs(to_size(stripes, 16)[:, :, 1:-1].astype(int) - 127).max() <= 4


def test_images_of_the_size_come_back_as_they_are(pixels):
    images = pixels(2, 8, 8, 3)
    assert to_size(images, 8) is images
    assert to_size(images, (8, 8), pad=True) is images


def test_gray_is_repeated_and_rgb_becomes_luma():
    gray = np.array([0, 7, 255], np.uint8).reshape(1, 1, 3, 1)
    np.testing.assert_array_equal(to_channels(gray, 3)[0, 0], [[0] * 3, [7] * 3, [255] * 3])
    np.testing.assert_array_equal(to_channels(to_channels(gray, 3), 1), gray)
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8).reshape(1, 1, 3, 3)
    np.testing.assert_array_equal(to_channels(colours, 1).ravel(), [76, 150, 29])  # 255 times .299, .587, .114
    assert to_channels(colours, None) is colours


@pytest.mark.parametrize(
    ("images", "error", "words"),
    [
        (np.zeros((1, 4, 4, 1), np.float32), TypeError, "`images` must be an array of uint8.*float32"),
        ([[0]], TypeError, "`images` must be an array of uint8.*list"),
        (np.zeros((4, 4, 3), np.uint8), ValueError, r"`images` must be \(n, height, width.*shape \(4, 4, 3\)"),
        (np.zeros((1, 4, 4, 2), np.uint8), ValueError, r"`images` must be .*shape \(1, 4, 4, 2\)"),
    ],
)
def test_what_is_not_an_array_of_images_is_refused(images, error, words):
    with pytest.raises(error, match=words):
        to_size(images, 8)


def test_a_size_is_one_integer_or_two():
    assert height_and_width("size", 5) == (5, 5)
    assert height_and_width("size", (4, np.int64(6))) == (4, 6)
    with pytest.raises(ValueError, match=r"`size` must be an integer or \(height, width\).*\(1, 2, 3\)"):
        height_and_width("size", (1, 2, 3))
    with pytest.raises(ValueError, match="`size` must be a positive integer. Received: size=0"):
        height_and_width("size", (4, 0))
    with pytest.raises(TypeError, match="`size` must be an integer. Received: size='big'"):
        height_and_width("size", "big")
    with pytest.raises(TypeError, match="`size` must be an integer. Received: size=2.5"):
        height_and_width("size", 2.5)
