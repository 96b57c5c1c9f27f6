"""`python -m pushd` is the same program as `pushd`."""

from pushd.cli.main import main

if __name__ == "__main__":
    main()
