"""The objects behind the front door: thin faces of the rooms below.

What the commands do, these do, by the same code. `import glitchvae` shows their names and
imports a module of this package when one of its names is first used.
"""
