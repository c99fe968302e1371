"""The regular files under a folder, in the order of `find FOLDER -type f | sort` where bytes are compared."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def files_under(path: str, failed: Callable[[str, OSError], None]) -> Iterator[str]:
    """Gives the files' paths, each beginning with `path`; no symbolic link and nothing that is no file.

    What is named itself is followed if it is a link, and given whatever it is unless it is a folder.

    Args:
        path: a folder, or a file.
        failed: told of folders that cannot be read; the others are gone through.
    """
    if not os.path.isdir(path):
        yield path
        return
    # A stack of entries still to come, the next one last: trees may be deeper than calls may be.
    stack = [(path, True)]
    while stack:
        path, is_folder = stack.pop()
        if not is_folder:
            yield path
            continue
        found: list[tuple[bytes, str, bool]] = []
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        # A folder's files have a slash behind its name, and sort with it.
                        found.append((os.fsencode(entry.name) + b"/", entry.path, True))
                    elif entry.is_file(follow_symlinks=False):
                        found.append((os.fsencode(entry.name), entry.path, False))
        except OSError as error:
            failed(path, error)
        found.sort(reverse=True)
        stack.extend((path, is_folder) for _, path, is_folder in found)
