"""`python -m mfpde`: the command line."""

from mfpde.commands.main import main

if __name__ == "__main__":
    raise SystemExit(main())
