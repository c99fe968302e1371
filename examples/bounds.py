"""A decompression bomb stops at a bound, and damage is told with its offset."""

import acrypto

bomb = acrypto.compress("gzip", bytes(200_000_000))
print(f"{len(bomb)} bytes would grow to 200 MB")
try:
    acrypto.decompress("gzip", bomb, max_output=1_000_000)
except acrypto.LimitExceeded as error:
    print("stopped:", error)

try:
    acrypto.decompress("gzip", bytes(bomb)[:1000])
except acrypto.CorruptInput as error:
    print("damaged:", error)

# A buffer of your own: the result goes there, and never past its end.
with acrypto.open() as layer:
    room = bytearray(100)
    try:
        layer.transform("gzip", level=0).compress(bytes(1000), into=room).wait()
    except acrypto.OutputTooSmall as error:
        print("too small:", error)
