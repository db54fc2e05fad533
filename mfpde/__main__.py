"""`python -m mfpde`: the command line."""

from mfpde.command_line import main

if __name__ == "__main__":
    raise SystemExit(main())
