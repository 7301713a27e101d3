"""Presets from elsewhere, into the cache: resumed, verified, and safe when several processes want the same one."""

import contextlib
import hashlib
import http.client
import os
import re
import shutil
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from keras_gans.output import files
from keras_gans.zoo import preset
from keras_gans.zoo.preset import PresetError

TIMEOUT = 30.0  # seconds in which a server must answer, and then send at least SLOWEST bytes each
SLOWEST = 1024
QUIET = 5.0  # seconds after which a download without a bar is told of
ATTEMPTS = 5
AFTER_TIMEOUT = 2  # attempts at a server that was too slow
CHUNK = 1 << 16
LOCAL = ("localhost", "127.0.0.1", "::1")


def cache_folder():
    """Returns the folder of downloaded presets, under `KERAS_HOME` (default ~/.keras).

    Raises:
        OSError: It cannot be written.
    """
    home = os.environ.get("KERAS_HOME") or os.path.join(os.path.expanduser("~"), ".keras")
    folder = os.path.join(home, "keras_gans", "presets")
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(
            f"The cache folder {folder} cannot be written ({error.strerror}). Set KERAS_HOME to a folder that can."
        ) from error
    return folder


def fetch(url, refresh=False):
    """Returns the folder of the preset at a URL, downloaded and verified if it is not in the cache.

    Args:
        url: `https://...` of a folder with metadata.json, or of a .zip archive. Plain `http` is for this machine only.
        refresh: Whether to look for a newer one, although the cache has one.

    Raises:
        OSError: The server cannot be reached, or has no such preset.
        PresetError: What came is not what metadata.json declares; nothing of it is kept.
    """
    _check_url(url)
    url = url.rstrip("/")
    name = os.path.basename(urllib.parse.urlsplit(url).path.rstrip("/")).removesuffix(".zip") or "preset"
    key = hashlib.sha256(url.encode()).hexdigest()[:12]
    folder = os.path.join(cache_folder(), f"{name}-{key}")
    with _locked(f"{folder}.lock"):
        if refresh or not os.path.isfile(os.path.join(folder, "metadata.json")):
            _fetch_archive(url, folder) if url.endswith(".zip") else _fetch_files(url, folder)
    return folder


def _check_url(url):
    """Raises `ValueError` if a URL is none, is not safe, or holds a password, which no sentence repeats."""
    if re.match(r"[^/]*//[^/?#]*@", url):
        raise ValueError("A preset's URL must have no user name or password in it, as in https://name:password@host.")
    if not all(32 < ord(each) < 127 for each in url):
        raise ValueError(f"A preset's URL must be of letters, digits and signs of ASCII. Received: {url!r}.")
    try:
        parts = urllib.parse.urlsplit(url)
        wrong = "" if parts.hostname and (parts.port is None or parts.port) else "it names no host"
    except ValueError as error:
        wrong = str(error)
    if wrong:
        raise ValueError(f"A preset's URL must be one that can be asked for: {wrong}. Received: {url!r}.")
    if not _allowed(url):
        raise ValueError(f"A preset's URL must begin with https://. Received: {url!r}.")


def _allowed(url):
    parts = urllib.parse.urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOCAL)


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a server elsewhere, but never off https."""

    def redirect_request(self, request, file, code, message, headers, url):
        if not _allowed(url):
            raise PresetError(f"{request.full_url} leads to {url}, which is not https://. Nothing was loaded.")
        return super().redirect_request(request, file, code, message, headers, url)


_OPENER = urllib.request.build_opener(_CheckedRedirects)


def _fetch_files(url, folder):
    partial = f"{folder}.partial"
    os.makedirs(partial, exist_ok=True)
    path = os.path.join(partial, "metadata.json")
    _remove(path)
    _download(f"{url}/metadata.json", path, limit=preset.MAX_METADATA)
    metadata = preset.read_metadata(path)
    for name in preset.CHECKED:
        target, facts = os.path.join(partial, name), metadata["files"][name]
        _download(f"{url}/{name}", target, limit=facts["bytes"], resume=True)
        try:
            preset.check_file(target, facts)
        except PresetError as error:
            _remove(target)
            raise PresetError(f"{error} It came from {url}/{name} and was removed.") from None
    for name in ("README.md", "samples.png"):
        with contextlib.suppress(OSError, PresetError):
            _download(f"{url}/{name}", os.path.join(partial, name), limit=8 * preset.MAX_METADATA)
    _move(partial, folder)


def _fetch_archive(url, folder):
    archive, partial = f"{folder}.zip", f"{folder}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    _download(url, archive, limit=preset.MAX_WEIGHTS, resume=True)
    try:
        preset.extract(archive, partial)
        metadata = preset.read_metadata(os.path.join(partial, "metadata.json"))
        for name in preset.CHECKED:
            preset.check_file(os.path.join(partial, name), metadata["files"][name])
    except PresetError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise PresetError(f"{error} It came from {url} and was removed.") from None
    finally:
        _remove(archive)
    _move(partial, folder)


def _move(partial, folder):
    if os.path.isdir(folder):
        shutil.rmtree(folder)
    os.replace(partial, folder)


def _remove(path):
    with contextlib.suppress(FileNotFoundError):
        os.remove(path)


def _download(url, path, limit, resume=False):
    """Downloads into `path`, going on with `path` + ".part" where an earlier call or connection was cut.

    Raises:
        OSError: After several attempts, with the URL; `PresetError`: more bytes than `limit`.
    """
    part = f"{path}.part"
    if not resume:
        _remove(part)
    slow = 0
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _watched(url, part, limit)
            os.replace(part, path)
            return
        except urllib.error.HTTPError as error:
            if error.code == 416:  # the part is longer than the file: it is another one
                _remove(part)
                failure = error
            elif error.code < 500:
                raise OSError(f"The server has nothing at {url} (HTTP {error.code} {error.reason}).") from error
            else:
                failure = error
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            failure = error
            slow += isinstance(getattr(error, "reason", error), TimeoutError)
        if slow == AFTER_TIMEOUT:
            break
        if attempt < ATTEMPTS:
            time.sleep(min(0.1 * 2**attempt, 5.0))
    reason = getattr(failure, "reason", failure)
    raise OSError(
        f"{url} cannot be reached ({reason}) after {attempt} attempts; the same call goes on where this one stopped."
    ) from failure


class _Abandoned(Exception):
    """Ends a download that nobody waits for."""


def _watched(url, part, limit):
    """Runs `_continue` in a thread of its own, so that no server can hold this one by sending a byte now and then.

    Raises:
        TimeoutError: The server is slower than SLOWEST bytes in TIMEOUT seconds; and what `_continue` raises.
    """
    bytes_so_far, ended, lock = [0], threading.Event(), threading.Lock()
    failures, abandoned = [], threading.Event()

    def tell(count):
        bytes_so_far[0] += count

    def download():
        try:
            _continue(url, part, limit, tell, lock, abandoned)
        except BaseException as error:
            failures.append(error)
        finally:
            ended.set()

    threading.Thread(target=download, name="keras_gans-download", daemon=True).start()
    before = 0
    try:
        if not ended.wait(min(QUIET, TIMEOUT)) and not sys.stderr.isatty():
            print(f"Downloading {url} ...", file=sys.stderr)
        while not ended.wait(TIMEOUT):
            if bytes_so_far[0] - before < SLOWEST and not ended.is_set():
                raise TimeoutError(f"it sent {bytes_so_far[0] - before} bytes in {TIMEOUT:g} seconds")
            before = bytes_so_far[0]
    finally:
        with lock:  # from now on the thread writes nothing
            abandoned.set()
    if failures:
        raise failures.pop()


def _continue(url, part, limit, tell, lock, abandoned):
    """Downloads the rest of `part`.

    Args:
        url, part, limit: See `_download`.
        tell: Called with the number of bytes of each piece.
        lock: Held while the file is written.
        abandoned: Event after which nothing is written.
    """
    have = os.path.getsize(part) if os.path.exists(part) else 0
    request = urllib.request.Request(url, headers={"User-Agent": "keras_gans", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    with _OPENER.open(request, timeout=TIMEOUT) as answer:
        if have and (
            answer.status != 206 or not (answer.headers.get("Content-Range") or "").startswith(f"bytes {have}-")
        ):
            have = 0  # the server sends everything again
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length and length.isdigit() else None
        if total is not None and total > limit:
            raise PresetError(f"{url} has {total:,} bytes, expected at most {limit:,}. Nothing was kept.")
        with _opened(part, have, lock, abandoned) as file, _progress(os.path.basename(url), total) as show:
            while chunk := answer.read1(CHUNK):
                have += len(chunk)
                with lock:
                    if abandoned.is_set():
                        raise _Abandoned
                    if have > limit:
                        file.truncate(0)
                        raise PresetError(f"{url} sends more than the {limit:,} bytes expected. Nothing was kept.")
                    with files.naming(part):
                        file.write(chunk)
                        file.flush()
                tell(len(chunk))
                show(have)
    if total is not None and have < total:
        raise ConnectionError(f"the connection was cut after {have:,} of {total:,} bytes")


def _opened(part, have, lock, abandoned):
    with lock:
        if abandoned.is_set():
            raise _Abandoned
        return open(part, "ab" if have else "wb")


@contextlib.contextmanager
def _progress(name, total):
    """Gives a function that is told the number of bytes so far."""
    if not sys.stderr.isatty():
        yield lambda have: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=total)
        yield lambda have: bar.update(task, completed=have)


@contextlib.contextmanager
def _locked(path):
    """Lets one process at a time in; a lock of a process that died is free."""
    with open(path, "a+b") as file:
        if os.name == "nt":
            import msvcrt

            file.seek(0)
            while True:
                try:
                    msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
                    break
                except OSError:  # it gives up after ten seconds
                    continue
            try:
                yield
            finally:
                file.seek(0)
                msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
            yield  # closing the file frees the lock
