import os
import pickle
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from keras_gans.data import ImageFolder, datasets, image_folder

pytestmark = pytest.mark.one_backend


@pytest.fixture
def one(tmp_path):
    """one(picture, **options): what ImageFolder reads from a folder with this one picture, at the picture's size."""

    def read(picture, name="picture.png", image_size=None, channels=3, crop=True, **options):
        picture.save(tmp_path / name, **options)
        size = image_size or (picture.height, picture.width)
        return ImageFolder(tmp_path, image_size=size, channels=channels, crop=crop, on_error="raise")[0]

    return read


def write(path, colour=(10, 20, 30), size=(4, 4)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


def break_file(path, content=b"not an image"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def relative(folder):
    return [os.path.relpath(path, folder.path) for path in folder.paths]


# --- which files, in which order, with which labels


def test_images_are_found_at_any_depth_in_any_case_and_sorted(tmp_path):
    names = ["b/z.PNG", "b/a.JpG", "a/deep/er/x.webp", "c/1.bmp", "c/2.GIF", "c/3.tif", "c/4.TIFF", "c/5.jpeg"]
    for name in names:
        write(tmp_path / name)
    for name in ("a/readme.txt", "a/x.png.bak", "b/png"):
        break_file(tmp_path / name)
    folder = ImageFolder(tmp_path, image_size=4)
    assert relative(folder) == sorted(names) and len(folder) == 8
    assert all(os.path.isabs(path) for path in folder.paths)
    assert folder.classes == ["a", "b", "c"]
    assert folder.labels.tolist() == [0, 1, 1, 2, 2, 2, 2, 2] and folder.labels.dtype == np.int64
    images, labels = folder.load()
    assert images.shape == (8, 4, 4, 3) and labels.tolist() == folder.labels.tolist()


def test_the_order_is_that_of_the_names_whatever_the_file_system_says(tmp_path, monkeypatch):
    for name in ("a b/1.png", "a/2.png", "a/10.png", "B/1.png"):
        write(tmp_path / name)
    expected = relative(ImageFolder(tmp_path))
    assert expected == ["B/1.png", "a/10.png", "a/2.png", "a b/1.png"]  # folder by folder, by code point
    listdir = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: sorted(listdir(path), reverse=True))
    assert relative(ImageFolder(tmp_path)) == expected


def test_hidden_files_and_folders_are_passed_over(tmp_path):
    for name in ("x.png", "._x.png", ".hidden.png", ".cache/y.png"):
        write(tmp_path / name)
    with pytest.warns(UserWarning, match="^Passed over 1 hidden "):
        folder = ImageFolder(tmp_path)
    assert relative(folder) == ["x.png"] and folder.classes is None


def test_folders_named_like_images_are_folders_and_pipes_are_nothing(tmp_path):
    write(tmp_path / "album.png" / "x.png")
    os.mkfifo(tmp_path / "pipe.png")
    assert relative(ImageFolder(tmp_path)) == ["album.png/x.png"]


def test_links_are_followed_but_not_in_circles(tmp_path):
    write(tmp_path / "a" / "x.png")
    (tmp_path / "a" / "again").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "a" / "self").symlink_to("self")
    (tmp_path / "a" / "here").symlink_to(".", target_is_directory=True)
    (tmp_path / "b").symlink_to(tmp_path / "a", target_is_directory=True)
    folder = ImageFolder(tmp_path, image_size=4)
    assert relative(folder) == ["a/x.png", "b/x.png"]
    assert folder.classes == ["a", "b"]


def test_a_link_to_nothing_and_a_link_to_itself_are_broken_files(tmp_path):
    write(tmp_path / "x.png")
    (tmp_path / "gone.png").symlink_to("nowhere.png")
    (tmp_path / "self.png").symlink_to("self.png")
    with pytest.warns(UserWarning) as caught:
        images, _ = ImageFolder(tmp_path, image_size=4).load()
    assert len(images) == 1
    assert "gone.png': No such file or directory." in str(caught[0].message)
    assert "self.png': " in str(caught[1].message)


def test_no_subfolders_no_labels(tmp_path):
    write(tmp_path / "x.png")
    folder = ImageFolder(tmp_path)
    assert folder.classes is None and folder.labels is None and folder.load()[1] is None


def test_labels_none_and_folders_without_images(tmp_path):
    write(tmp_path / "a" / "x.png")
    (tmp_path / "0-empty").mkdir()
    break_file(tmp_path / "0-notes" / "readme.txt")
    assert ImageFolder(tmp_path).classes == ["a"]
    folder = ImageFolder(tmp_path, labels=None)
    assert folder.classes is None and folder.labels is None


def test_images_beside_class_folders_have_no_class_and_a_warning_says_so(tmp_path):
    write(tmp_path / "a" / "x.png")
    write(tmp_path / "y.png")
    with pytest.warns(UserWarning, match=r"1 of the 2 images lie beside the class .*'y.png': they have no class"):
        folder = ImageFolder(tmp_path)
    assert folder.labels is None and folder.classes is None and len(folder) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ImageFolder(tmp_path, labels=None)


def test_the_channels_can_be_those_of_the_pictures(tmp_path):
    for i, mode in enumerate(("L", "1", "I;16", "LA")):
        Image.new(mode, (8, 8)).save(tmp_path / f"{i}.png")
    break_file(tmp_path / "5.png")
    assert ImageFolder(tmp_path, channels=None).channels == 1 and ImageFolder(tmp_path).channels == 3
    assert datasets.load(f"folder:{tmp_path}", image_size=4)[0].shape == (4, 4, 4, 1)
    write(tmp_path / "4.png")
    assert ImageFolder(tmp_path, channels=None).channels == 3


def test_it_is_a_sequence(tmp_path):
    for i in range(3):
        write(tmp_path / f"{i}.png", colour=(i, 0, 0))
    folder = ImageFolder(tmp_path, image_size=4)
    assert [image[0, 0, 0] for image in folder] == [0, 1, 2]
    assert folder[-1][0, 0, 0] == 2 and folder[np.int64(1)][0, 0, 0] == 1
    with pytest.raises(IndexError):
        folder[3]
    with pytest.raises(TypeError):
        folder["0"]
    assert "3 files" in repr(folder)


def test_it_pickles_and_reads_the_same(tmp_path, pixels, monkeypatch):
    (tmp_path / "photos" / "a").mkdir(parents=True)
    Image.fromarray(pixels(9, 7, 3)).save(tmp_path / "photos" / "a" / "x.png")
    monkeypatch.chdir(tmp_path)
    folder = ImageFolder("photos", image_size=(5, 6), channels=1)
    monkeypatch.chdir("/")
    again = pickle.loads(pickle.dumps(folder))
    assert again.paths == folder.paths and again.classes == ["a"]
    np.testing.assert_array_equal(again[0], folder[0])
    np.testing.assert_array_equal(again.load()[0][0], folder[0])


def test_load_equals_the_images_one_by_one_over_several_blocks(tmp_path, pixels, monkeypatch):
    monkeypatch.setattr(image_folder, "_BLOCK", 3)
    for i in range(8):
        Image.fromarray(pixels(6, 6, 3, seed=i)).save(tmp_path / f"{i}.png")
    folder = ImageFolder(tmp_path, image_size=6)
    np.testing.assert_array_equal(folder.load()[0], np.stack(list(folder)))
    np.testing.assert_array_equal(folder[5], pixels(6, 6, 3, seed=5))


# --- geometry


@pytest.mark.parametrize("size", [(30, 10), (10, 30)])
def test_the_middle_is_cut_out_and_the_short_side_fits(one, size):
    picture = Image.new("RGB", size, (255, 0, 0))
    left, top = (size[0] - 10) // 2, (size[1] - 10) // 2
    picture.paste((0, 0, 255), (left, top, left + 10, top + 10))
    image = one(picture, image_size=5)
    assert image.shape == (5, 5, 3)
    # The filter sees the pixels beside the cut, as if the whole had been resized first: a touch of red at two edges.
    assert abs(image.astype(int) - [0, 0, 255]).max() <= 16
    assert image[2, 2, 2] > 250 and image[..., 0].sum(0).tolist()[::-1] == image[..., 0].sum(0).tolist()


def test_a_wide_target_cuts_above_and_below(one):
    picture = Image.new("L", (8, 8), 255)
    picture.paste(0, (0, 2, 8, 6))
    assert one(picture, image_size=(4, 8)).shape == (4, 8, 3)
    assert one(picture, image_size=(4, 8)).max() == 0


def test_without_crop_the_whole_picture_is_squeezed(one):
    picture = Image.new("RGB", (30, 10), (255, 0, 0))
    picture.paste((0, 0, 255), (15, 0, 30, 10))
    image = one(picture, image_size=10, crop=False)
    assert image.shape == (10, 10, 3)
    assert image[5, 1].tolist() == [255, 0, 0] and image[5, 8].tolist() == [0, 0, 255]


def test_a_picture_of_the_size_is_not_touched(one, pixels):
    values = pixels(48, 64, 3)
    np.testing.assert_array_equal(one(Image.fromarray(values)), values)


def test_shrinking_does_not_alias(one):
    stripes = np.zeros((128, 128), np.uint8)
    stripes[:, ::2] = 255
    assert abs(one(Image.fromarray(stripes), image_size=16)[:, 1:-1].astype(int) - 127).max() <= 4


def test_tiny_pictures_are_enlarged(one):
    np.testing.assert_array_equal(one(Image.new("RGB", (1, 1), (9, 8, 7)), image_size=4)[2, 3], [9, 8, 7])


def test_big_jpegs_look_the_same_decoded_small(tmp_path):
    y, x = np.mgrid[:512, :512]
    smooth = np.stack([x / 2, y / 2, 255 - x / 2], axis=-1).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / "x.jpg", quality=95)
    image = ImageFolder(tmp_path, image_size=32)[0]
    expected = np.asarray(Image.fromarray(smooth).resize((32, 32), Image.Resampling.LANCZOS))
    assert abs(image.astype(int) - expected).max() <= 4


def test_big_jpegs_keep_their_detail(tmp_path):
    stripes = Image.fromarray(np.broadcast_to(np.where(np.arange(256) % 16 < 8, 0, 255).astype(np.uint8), (256, 256)))
    stripes.save(tmp_path / "x.jpg", quality=95)
    image = ImageFolder(tmp_path, image_size=64, channels=1)[0][..., 0]
    expected = np.asarray(stripes.resize((64, 64), Image.Resampling.LANCZOS))
    assert abs(image.astype(int) - expected).max() <= 16


# --- orientation

CORNERS = {  # orientation -> where the stored picture's top left corner has to appear
    1: (0, 0),
    2: (0, -1),
    3: (-1, -1),
    4: (-1, 0),
    5: (0, 0),
    6: (0, -1),
    7: (-1, -1),
    8: (-1, 0),
}
SECOND = {1: (0, -1), 2: (0, 0), 3: (-1, 0), 4: (-1, -1), 5: (-1, 0), 6: (-1, -1), 7: (0, -1), 8: (0, 0)}


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(tmp_path, orientation, suffix):
    picture = Image.new("RGB", (64, 32), (0, 0, 0))
    picture.paste((255, 0, 0), (0, 0, 16, 16))  # the stored top left corner: red; the top right one: blue
    picture.paste((0, 0, 255), (48, 0, 64, 16))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"jpg": {"quality": 100, "subsampling": 0}, "webp": {"lossless": True}}.get(suffix, {})
    picture.save(tmp_path / f"x.{suffix}", exif=exif, **options)
    upright = (32, 64) if orientation < 5 else (64, 32)
    image = ImageFolder(tmp_path, image_size=upright, on_error="raise")[0].astype(int)
    assert abs(image[CORNERS[orientation]] - [255, 0, 0]).max() <= 8
    assert abs(image[SECOND[orientation]] - [0, 0, 255]).max() <= 8
    assert (image.max(-1) > 128).sum() == 2 * 16 * 16


def test_a_big_jpeg_on_its_side_is_turned_too(tmp_path):
    picture = Image.new("RGB", (800, 400), (0, 0, 0))
    picture.paste((255, 255, 255), (0, 0, 400, 400))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise: the left half goes up
    picture.save(tmp_path / "x.jpg", exif=exif)
    image = ImageFolder(tmp_path, image_size=(32, 16))[0]
    assert image.shape == (32, 16, 3) and image[:15].min() > 240 and image[17:].max() < 15


# --- kinds of pixels


@pytest.mark.parametrize("channels", [1, 3])
def test_gray_and_rgb(one, pixels, channels):
    values = pixels(4, 5)
    image = one(Image.fromarray(values), channels=channels)
    assert image.shape == (4, 5, channels) and image.dtype == np.uint8
    np.testing.assert_array_equal(image, np.broadcast_to(values[..., None], image.shape))
    image = one(Image.new("RGB", (5, 4), (255, 0, 0)), channels=channels)
    assert image[0, 0].tolist() == ([76] if channels == 1 else [255, 0, 0])


@pytest.mark.parametrize("name", ["x.png", "x.tif"])
def test_16_bit_gray_is_scaled_by_its_full_range(one, name):
    values = np.array([[0, 1, 257, 32896, 65535, 128, 129, 500]], np.uint16)
    image = one(Image.fromarray(values), name=name, channels=1)
    assert image.ravel().tolist() == [0, 0, 1, 128, 255, 0, 1, 2]  # rounded v / 257


def test_big_endian_16_bit_gray(one):
    values = np.array([[0, 32896, 65535]], np.uint16)
    picture = Image.frombytes("I;16B", (3, 1), values.astype(">u2").tobytes())
    assert one(picture, name="x.tif", channels=1).ravel().tolist() == [0, 128, 255]


def test_32_bit_gray_holds_16_bit_values_or_is_broken(tmp_path):
    Image.fromarray(np.array([[0, 32896, 65535]], np.int32)).save(tmp_path / "x.tif")
    assert ImageFolder(tmp_path, image_size=(1, 3))[0][0, :, 0].tolist() == [0, 128, 255]
    Image.fromarray(np.array([[-1, 70000]], np.int32)).save(tmp_path / "x.tif")
    with pytest.raises(ValueError, match="x.tif' is broken: its pixels are -1 to 70000, not in 0 to 65535"):
        ImageFolder(tmp_path, on_error="raise")[0]


def test_12_bit_gray_is_scaled_by_its_own_range(tmp_path):
    # Pillow writes no such file: a minimal little-endian TIFF, two pixels (0 and 4095) in three bytes.
    entries = [(256, 4, 2), (257, 4, 1), (258, 3, 12), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1), (278, 4, 1)]
    entries.append((279, 4, 3))
    directory = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    content = b"II*\0" + struct.pack("<I", 12) + bytes((0x00, 0x0F, 0xFF)) + b"\0"
    content += struct.pack("<H", len(entries)) + directory + struct.pack("<I", 0)
    (tmp_path / "x.tif").write_bytes(content)
    assert ImageFolder(tmp_path, image_size=(1, 2), on_error="raise")[0][0, :, 0].tolist() == [0, 255]


def test_floating_point_pixels_are_broken(tmp_path):
    Image.fromarray(np.zeros((2, 2), np.float32)).save(tmp_path / "x.tif")
    with pytest.raises(ValueError, match="x.tif' is broken: its pixels are floating-point numbers"):
        ImageFolder(tmp_path, on_error="raise")[0]


@pytest.mark.parametrize("name", ["x.png", "x.tif", "x.webp"])
def test_transparency_is_composited_on_white(one, name):
    picture = Image.new("RGBA", (3, 1))
    picture.putdata([(255, 0, 0, 255), (10, 20, 30, 0), (0, 0, 0, 128)])
    options = {"lossless": True, "exact": True} if name == "x.webp" else {}
    image = one(picture, name=name, **options)
    assert image[0].tolist() == [[255, 0, 0], [255, 255, 255], [127, 127, 127]]


def test_gray_with_transparency(one):
    picture = Image.new("LA", (3, 1))
    picture.putdata([(40, 255), (40, 0), (0, 128)])
    assert one(picture, channels=1).ravel().tolist() == [40, 255, 127]


def palette_picture():
    picture = Image.new("P", (3, 1))
    picture.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200])
    picture.putdata([0, 1, 2])
    return picture


@pytest.mark.parametrize("name", ["x.png", "x.gif"])
def test_palettes(one, name):
    assert one(palette_picture(), name=name)[0].tolist() == [[200, 0, 0], [0, 200, 0], [0, 0, 200]]
    image = one(palette_picture(), name=name, transparency=1)
    assert image[0].tolist() == [[200, 0, 0], [255, 255, 255], [0, 0, 200]]


def test_a_palette_with_an_alpha_per_entry(one):
    image = one(palette_picture(), transparency=bytes((255, 0, 128)))
    assert image[0].tolist() == [[200, 0, 0], [255, 255, 255], [127, 127, 227]]


def test_a_colour_marked_as_transparent(one):
    picture = Image.new("RGB", (2, 1), (1, 2, 3))
    picture.putpixel((1, 0), (4, 5, 6))
    assert one(picture, transparency=(1, 2, 3))[0].tolist() == [[255, 255, 255], [4, 5, 6]]


def test_cmyk(one):
    picture = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # red
    assert abs(one(picture, name="x.jpg", quality=100)[8, 8].astype(int) - [255, 0, 0]).max() <= 3
    assert one(picture, name="x.tif", channels=3)[8, 8].tolist()[0] >= 252


def test_one_bit(one):
    picture = Image.new("1", (2, 1))
    picture.putpixel((1, 0), 1)
    assert one(picture, channels=1).ravel().tolist() == [0, 255]
    assert one(picture).shape == (1, 2, 3)


def test_the_first_frame_of_an_animation(one):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ((250, 0, 0), (0, 250, 0))]
    image = one(frames[0], name="x.gif", save_all=True, append_images=frames[1:])
    assert image[0, 0].tolist() == [250, 0, 0]


def test_a_picture_with_the_wrong_suffix_is_read_for_what_it_is(tmp_path):
    Image.new("RGB", (4, 4), (9, 9, 9)).save(tmp_path / "x.jpg", format="PNG")
    assert ImageFolder(tmp_path, image_size=4, on_error="raise")[0].max() == 9


def test_other_formats_do_not_hide_behind_a_suffix(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "x.png", format="EPS")
    with pytest.raises(ValueError, match="x.png' is broken: it is not an image in a known format"):
        ImageFolder(tmp_path, on_error="raise")[0]


# --- broken files


def truncated_png():
    header = struct.pack(">IIBBBBB", 50, 50, 8, 2, 0, 0, 0)

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100))[:30]


BROKEN = {
    "text.png": (b"not an image", "it is not an image in a known format"),
    "empty.jpg": (b"", "the file is empty"),
    "cut.png": (truncated_png(), "."),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_skipped_and_named_with_the_reason(tmp_path, name):
    for folder, file in (("a", "1.png"), ("b", "2.png"), ("c", "3.png")):
        write(tmp_path / folder / file, colour=(int(file[0]), 0, 0))
    content, reason = BROKEN[name]
    break_file(tmp_path / "b" / name, content)
    with pytest.warns(UserWarning, match=f"Skipped '.*b/{name}': {reason}") as caught:
        images, labels = ImageFolder(tmp_path, image_size=4).load()
    assert len(caught) == 1
    assert images[:, 0, 0, 0].tolist() == [1, 2, 3] and labels.tolist() == [0, 1, 2]


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_raised_and_named_with_the_reason(tmp_path, name):
    write(tmp_path / "a.png")
    content, reason = BROKEN[name]
    break_file(tmp_path / name, content)
    folder = ImageFolder(tmp_path, on_error="raise")
    with pytest.raises(ValueError, match=f"The file '.*{name}' is broken: {reason}"):
        folder.load()
    with pytest.raises(ValueError, match=f"The file '.*{name}' is broken: {reason}"):
        folder[1]


def test_a_jpeg_cut_short_is_broken(tmp_path, pixels):
    Image.fromarray(pixels(64, 64, 3)).save(tmp_path / "x.jpg")
    break_file(tmp_path / "x.jpg", (tmp_path / "x.jpg").read_bytes()[:-2000])
    with pytest.raises(ValueError, match="x.jpg' is broken: image file is truncated"):
        ImageFolder(tmp_path, on_error="raise")[0]


def test_a_decompression_bomb_is_broken(tmp_path, monkeypatch):
    write(tmp_path / "a.png", size=(4, 4))
    write(tmp_path / "bomb.png", size=(40, 40))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # Pillow refuses twice that
    with pytest.warns(UserWarning, match="Skipped '.*bomb.png': Image size .* decompression bomb"):
        images, _ = ImageFolder(tmp_path, image_size=4).load()
    assert len(images) == 1


def test_in_the_place_of_a_broken_file_comes_the_next_readable_one_of_its_class(tmp_path):
    write(tmp_path / "a" / "1.png", colour=(1, 0, 0))
    break_file(tmp_path / "a" / "2.png")
    write(tmp_path / "b" / "3.png", colour=(3, 0, 0))
    break_file(tmp_path / "b" / "4.png")
    break_file(tmp_path / "b" / "5.png")
    write(tmp_path / "b" / "6.png", colour=(6, 0, 0))
    folder = ImageFolder(tmp_path, image_size=4)
    assert len(folder) == 6
    for index, red in ((1, 1), (3, 6), (4, 6)):
        with pytest.warns(UserWarning, match=rf"Skipped '{folder.paths[index]}': .*/{red}.png' takes its place"):
            assert folder[index][0, 0, 0] == red


def test_a_class_of_broken_files_and_a_folder_of_broken_files(tmp_path):
    write(tmp_path / "a" / "1.png")
    break_file(tmp_path / "b" / "2.png")
    with pytest.raises(ValueError, match="2.png' is broken: it is not .*So are all others"):
        ImageFolder(tmp_path)[1]
    break_file(tmp_path / "a" / "1.png", b"")
    with pytest.warns(UserWarning), pytest.raises(ValueError) as error:
        ImageFolder(tmp_path).load()
    assert f"None of the 2 image files in {str(tmp_path)!r} can be read." in str(error.value)
    assert "a/1.png': the file is empty." in str(error.value)


@pytest.mark.parametrize("on_error", ["skip", "raise"])
def test_a_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch, on_error):
    write(tmp_path / "a" / "x.png")
    write(tmp_path / "locked" / "x.png")
    listdir = os.listdir

    def refuse(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refuse)
    if on_error == "raise":
        with pytest.raises(ValueError, match="The folder '.*locked' cannot be read: Permission denied"):
            ImageFolder(tmp_path, on_error=on_error)
    else:
        with pytest.warns(UserWarning, match="Skipped the folder '.*locked': Permission denied"):
            assert len(ImageFolder(tmp_path, on_error=on_error)) == 1


# --- arguments, memory, progress


def test_paths_that_are_no_folder_of_images(tmp_path):
    with pytest.raises(ValueError, match=r"`path` must be a folder with images \(.png .*in which.*there is none"):
        ImageFolder(tmp_path)
    with pytest.raises(ValueError, match="`path` must be an existing folder. Received: path='.*nope', which does not"):
        ImageFolder(tmp_path / "nope")
    write(tmp_path / "x.png")
    with pytest.raises(
        ValueError, match="`path` must be an existing folder. Received: path='.*x.png', which is a file"
    ):
        ImageFolder(tmp_path / "x.png")
    with pytest.raises(TypeError, match="`path` must be the path of a folder. Received: path=3"):
        ImageFolder(3)


def test_a_tilde_is_ones_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / "photos" / "x.png")
    assert len(ImageFolder("~/photos")) == 1


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"image_size": 0}, ValueError, "`image_size` must be a positive integer"),
        ({"image_size": (4, 4, 3)}, ValueError, r"`image_size` must be an integer or \(height, width\)"),
        ({"image_size": "64"}, TypeError, "`image_size` must be an integer"),
        ({"channels": 4}, ValueError, "`channels` must be one of 1, 3"),
        ({"labels": "folder"}, ValueError, "`labels` must be one of 'folders', None. Did you mean 'folders'?"),
        ({"on_error": "ignore"}, ValueError, "`on_error` must be one of 'skip', 'raise'"),
    ],
)
def test_bad_arguments(tmp_path, arguments, error, words):
    write(tmp_path / "x.png")
    with pytest.raises(error, match=words):
        ImageFolder(tmp_path, **arguments)


def test_an_array_that_does_not_fit_in_memory_is_refused(tmp_path, monkeypatch):
    write(tmp_path / "x.png")
    folder = ImageFolder(tmp_path, image_size=1000)
    monkeypatch.setattr(image_folder, "_free_memory", lambda: 2_999_999)
    with pytest.raises(ValueError, match=r"The 1 images of shape \(1000, 1000, 3\) need 0.0 GiB.*smaller `image_size`"):
        folder.load()
    for enough in (3_000_000, None):
        monkeypatch.setattr(image_folder, "_free_memory", lambda enough=enough: enough)
        assert folder.load()[0].shape == (1, 1000, 1000, 3)


def test_the_free_memory_is_known_on_linux_and_sane():
    free = image_folder._free_memory()
    assert free is None or 2**20 < free < 2**50


def test_progress_is_shown_on_a_terminal_for_big_folders_only(tmp_path, monkeypatch, capsys):
    for i in range(2):
        write(tmp_path / f"{i}.png")
    folder = ImageFolder(tmp_path, image_size=4)
    folder.load()
    monkeypatch.setattr(image_folder, "_SHOW_PROGRESS_FROM", 2)
    folder.load()
    assert capsys.readouterr() == ("", "")  # no terminal
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    folder.load(progress=False)
    assert capsys.readouterr().err == ""
    folder.load()
    output = capsys.readouterr()
    assert "Reading images" in output.err and output.out == ""


@pytest.mark.parametrize(
    ("suffix", "format"), [(".jfif", "JPEG"), (".ppm", "PPM"), (".pgm", "PPM"), (".avif", "AVIF"), (".JP2", "JPEG2000")]
)
def test_pictures_of_phones_and_programs_are_read(tmp_path, suffix, format):
    Image.init()
    if format not in Image.SAVE:
        pytest.skip(f"this Pillow has no {format}")
    picture = Image.new("L" if suffix == ".pgm" else "RGB", (16, 16), 200 if suffix == ".pgm" else (200, 200, 200))
    picture.save(tmp_path / f"a{suffix}", format=format)
    folder = ImageFolder(tmp_path, image_size=16)
    assert len(folder) == 1 and np.abs(folder[0].astype(int) - 200).max() <= 3


def test_pictures_that_are_not_read_are_counted_by_kind(tmp_path, monkeypatch):
    monkeypatch.setattr(image_folder, "_reads_heif", lambda: False)
    for name in ("a.heic", "b.HEIC", "c.mp4", "notes.txt", ".hidden.heic", ".d.png", "._e.png"):
        (tmp_path / name).write_bytes(b"x")
    words = r"Passed over 2 .heic \(pip install pillow-heif\), 1 .mp4, 1 hidden \(.* a dot\): files of these kinds are"
    with pytest.raises(ValueError, match=f"there is none. {words}"):
        ImageFolder(tmp_path)
    Image.new("RGB", (8, 8)).save(tmp_path / "d.png")
    with pytest.warns(UserWarning, match=words) as caught:
        assert len(ImageFolder(tmp_path)) == 1
    assert len(caught) == 1
