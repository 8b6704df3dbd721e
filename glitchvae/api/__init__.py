"""Public objects of the Python interface, built on the modules below.

What the commands do, these do, by the same code. `import glitchvae` shows their names and
imports a module of this package when one of its names is first used.
"""
