"""Entry point of `python -m glitchvae`: the command line."""

from glitchvae.cli import main

if __name__ == "__main__":
    main(prog_name="glitchvae")
