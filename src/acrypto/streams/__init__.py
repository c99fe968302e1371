"""Files and pipes of any size through the layer, in bounded memory.

One thread reads, submits and writes in order; the layer's workers do the rest. `compress`, `decompress` and `digest`
hold the functions to call, `source`, `sink` and `replacement` what they read from and write to.
"""
