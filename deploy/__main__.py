"""`python -m fenghuo.deploy` is the `fenghuo` command."""

from fenghuo.deploy.cli.main import main

if __name__ == "__main__":
    main()
