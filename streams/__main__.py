"""`python -m fenghuo.streams` is the `fenghuo` command."""

from fenghuo.streams.cli import main

if __name__ == "__main__":
    main()
